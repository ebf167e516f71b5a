"""NotifyPeriodicEventStream (OCPP 2.1 part 2 N): values of a stream, as SEND, which has no answer. Kept in the
log; streams are refused when they are opened."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("NotifyPeriodicEventStream", {"ocpp2.1": _v2})
