"""ReportDERControl (OCPP 2.1 part 2 R): the grid controls that are set. Kept in the log as it is."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("ReportDERControl", {"ocpp2.1": _v2})
