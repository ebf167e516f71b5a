"""DiagnosticsStatusNotification (OCPP 1.6 section 4.4)."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import DiagnosticsReported


def _v16(ask: Ask) -> Answer:
    return Answer({}, (DiagnosticsReported(at=ask.received_at, status=ask.payload["status"]),))


ACTION = Action("DiagnosticsStatusNotification", {"ocpp1.6": _v16})
