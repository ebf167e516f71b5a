"""DataTransfer (OCPP 1.6 section 4.3; 2.0.1 part 2 P02): a vendor's own message.

Kept; no vendor's meaning is known yet.
"""

import msgspec

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import VendorMessage


def _read(ask: Ask) -> Answer:
    payload = ask.payload
    data = payload.get("data")  # a text in 1.6, anything in 2.x
    fact = VendorMessage(
        at=ask.received_at,
        vendor_id=payload["vendorId"],
        message_id=payload.get("messageId"),
        data=data if data is None or isinstance(data, str) else msgspec.json.encode(data).decode(),
    )
    return Answer({"status": "UnknownVendorId"}, (fact,))


ACTION = Action("DataTransfer", {"ocpp1.6": _read, "ocpp2.0.1": _read, "ocpp2.1": _read})
