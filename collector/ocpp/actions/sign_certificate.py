"""SignCertificate (OCPP 1.6 security extension; 2.0.1 part 2 A02): refused: nobody here signs certificates."""

from collector.ocpp.action import Action, Answer, Ask

_WHY = {"reasonCode": "NoCertificateAuth", "additionalInfo": "this central system signs no certificates"}


def _v16(_: Ask) -> Answer:
    return Answer({"status": "Rejected"})


def _v2(_: Ask) -> Answer:
    return Answer({"status": "Rejected", "statusInfo": _WHY})


ACTION = Action("SignCertificate", {"ocpp1.6": _v16, "ocpp2.0.1": _v2, "ocpp2.1": _v2})
