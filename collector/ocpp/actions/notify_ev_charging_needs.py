"""NotifyEVChargingNeeds (OCPP 2.0.1 part 2 K15): what an ISO 15118 vehicle asks for. `Rejected`: no schedule will
follow, and the station charges by its own limits."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({"status": "Rejected"})


ACTION = Action("NotifyEVChargingNeeds", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
