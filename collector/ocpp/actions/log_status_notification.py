"""LogStatusNotification (OCPP 1.6 security extension; 2.0.1 part 2 N01): how the upload of a log goes."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import DiagnosticsReported


def _read(ask: Ask) -> Answer:
    return Answer({}, (DiagnosticsReported(at=ask.received_at, status=ask.payload["status"]),))


ACTION = Action("LogStatusNotification", {"ocpp1.6": _read, "ocpp2.0.1": _read, "ocpp2.1": _read})
