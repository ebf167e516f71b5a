"""NotifyDERStartStop (OCPP 2.1 part 2 R): a grid control began or ended. Kept in the log."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("NotifyDERStartStop", {"ocpp2.1": _v2})
