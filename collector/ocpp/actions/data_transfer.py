"""DataTransfer (OCPP 1.6 section 4.3): a vendor's own message. Kept; no vendor's meaning is known yet."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import VendorMessage


def _v16(ask: Ask) -> Answer:
    payload = ask.payload
    fact = VendorMessage(
        at=ask.received_at,
        vendor_id=payload["vendorId"],
        message_id=payload.get("messageId"),
        data=payload.get("data"),
    )
    return Answer({"status": "UnknownVendorId"}, (fact,))


ACTION = Action("DataTransfer", {"ocpp1.6": _v16})
