"""Get15118EVCertificate (OCPP 2.0.1 part 2 M01, M02): a vehicle wants its contract certificate. Nobody here issues
them, and there is no contract certificate pool to ask."""

from collector.ocpp.action import Action, Answer, Ask

_WHY = {"reasonCode": "UnsupportedRequest", "additionalInfo": "this central system has no contract certificates"}


def _v2(_: Ask) -> Answer:
    return Answer({"status": "Failed", "statusInfo": _WHY, "exiResponse": ""})


ACTION = Action("Get15118EVCertificate", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
