"""FirmwareStatusNotification (OCPP 1.6 section 4.5; 2.0.1 part 2 L01)."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import FirmwareReported


def _read(ask: Ask) -> Answer:
    return Answer({}, (FirmwareReported(at=ask.received_at, status=ask.payload["status"]),))


ACTION = Action("FirmwareStatusNotification", {"ocpp1.6": _read, "ocpp2.0.1": _read, "ocpp2.1": _read})
