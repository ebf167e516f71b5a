"""SignedFirmwareStatusNotification (OCPP 1.6 security extension)."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import FirmwareReported


def _v16(ask: Ask) -> Answer:
    return Answer({}, (FirmwareReported(at=ask.received_at, status=ask.payload["status"]),))


ACTION = Action("SignedFirmwareStatusNotification", {"ocpp1.6": _v16})
