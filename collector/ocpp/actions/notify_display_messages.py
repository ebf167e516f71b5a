"""NotifyDisplayMessages (OCPP 2.0.1 part 2 O03): what a station shows to drivers. Kept in the log."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("NotifyDisplayMessages", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
