"""NotifyDERAlarm (OCPP 2.1 part 2 R): the grid misbehaves, or does no longer. Kept in the log."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("NotifyDERAlarm", {"ocpp2.1": _v2})
