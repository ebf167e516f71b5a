"""ReportChargingProfiles (OCPP 2.0.1 part 2 K09): installed charging profiles. Kept in the log as it is."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("ReportChargingProfiles", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
