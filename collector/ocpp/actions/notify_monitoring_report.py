"""NotifyMonitoringReport (OCPP 2.0.1 part 2 N02): which variables the station watches. Kept in the log."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("NotifyMonitoringReport", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
