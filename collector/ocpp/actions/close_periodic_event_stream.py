"""ClosePeriodicEventStream (OCPP 2.1 part 2 N): a stream of values ends."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("ClosePeriodicEventStream", {"ocpp2.1": _v2})
