"""SecurityEventNotification (OCPP 1.6 security extension section 5; 2.0.1 part 2 A04)."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import SecurityEventReported
from laddvakt.domain.times import effective_time, parse_time


def _read(ask: Ask) -> Answer:
    payload = ask.payload
    at = effective_time(parse_time(payload["timestamp"]), ask.received_at)
    return Answer({}, (SecurityEventReported(at=at, event=payload["type"], info=payload.get("techInfo")),))


ACTION = Action("SecurityEventNotification", {"ocpp1.6": _read, "ocpp2.0.1": _read, "ocpp2.1": _read})
