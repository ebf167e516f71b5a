"""GetCertificateStatus (OCPP 2.0.1 part 2 M06): is a vehicle's certificate revoked? Nobody here asks OCSP
responders: they are addresses that a station chose."""

from collector.ocpp.action import Action, Answer, Ask

_WHY = {"reasonCode": "UnsupportedRequest", "additionalInfo": "this central system asks no OCSP responders"}


def _v2(_: Ask) -> Answer:
    return Answer({"status": "Failed", "statusInfo": _WHY})


ACTION = Action("GetCertificateStatus", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
