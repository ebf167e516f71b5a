"""PullDynamicScheduleUpdate (OCPP 2.1 part 2 K): the station asks for new limits of a dynamic charging profile.
Refused: nobody here works them out."""

from collector.ocpp.action import Action, Answer, Ask

_WHY = {"reasonCode": "NotFound", "additionalInfo": "this central system keeps no dynamic charging profiles"}


def _v2(_: Ask) -> Answer:
    return Answer({"status": "Rejected", "statusInfo": _WHY})


ACTION = Action("PullDynamicScheduleUpdate", {"ocpp2.1": _v2})
