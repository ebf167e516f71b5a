"""BatterySwap (OCPP 2.1 part 2 S01-S04): a driver takes or leaves a battery. Kept in the log alone: it names the
driver's token, and swaps are neither sessions nor billed here."""

from collector.ocpp.action import Action, Answer, Ask


def _v2(_: Ask) -> Answer:
    return Answer({})


ACTION = Action("BatterySwap", {"ocpp2.1": _v2})
