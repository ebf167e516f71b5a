"""NotifyCustomerInformation (OCPP 2.0.1 part 2 N09): what a station knows of a person. Kept in the log
alone: no fact may carry it further."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("NotifyCustomerInformation", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
