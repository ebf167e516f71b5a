"""PublishFirmwareStatusNotification (OCPP 2.0.1 part 2 L03): how a local controller gets on with publishing a
firmware to the stations behind it."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import FirmwareReported


def _v2(ask: Ask) -> Answer:
    return Answer({}, (FirmwareReported(at=ask.received_at, status=ask.payload["status"]),))


ACTION = Action("PublishFirmwareStatusNotification", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
