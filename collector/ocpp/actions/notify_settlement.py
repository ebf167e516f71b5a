"""NotifySettlement (OCPP 2.1 part 2 C): a payment terminal settled what a driver paid by card. Kept in the log
alone: it names payer and company, and the receipt is the terminal's to give."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("NotifySettlement", {"ocpp2.1": _v2})
