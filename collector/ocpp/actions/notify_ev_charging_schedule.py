"""NotifyEVChargingSchedule (OCPP 2.0.1 part 2 K15): the profile that an ISO 15118 vehicle chose. Kept in the log;
`Accepted` says that it was taken in, not that the schedule is approved."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({"status": "Accepted"})


ACTION = Action("NotifyEVChargingSchedule", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
