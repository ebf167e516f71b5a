"""NotifyPriorityCharging (OCPP 2.1 part 2 K): a driver asked for, or gave up, charging first. Kept in the log."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("NotifyPriorityCharging", {"ocpp2.1": _v2})
