"""VatNumberValidation (OCPP 2.1 part 2 C): a driver's company wants its VAT number checked. Refused: no register
is asked, and a number that nobody checked must not look checked."""

from typing import Any

from collector.ocpp.action import Action, Answer, Ask

_WHY = {"reasonCode": "UnsupportedRequest", "additionalInfo": "this central system checks no VAT numbers"}


def _v2(ask: Ask) -> Answer:
    reply: dict[str, Any] = {"statusInfo": _WHY, "vatNumber": ask.payload["vatNumber"]}
    if "evseId" in ask.payload:
        reply["evseId"] = ask.payload["evseId"]
    return Answer({**reply, "status": "Rejected"})


ACTION = Action("VatNumberValidation", {"ocpp2.1": _v2})
