"""OpenPeriodicEventStream (OCPP 2.1 part 2 N): the station would send values of a monitored variable as a stream.
Refused: it would name its variable by a number alone, and nobody here reads that. Meter values and events are."""

from collector.ocpp.action import Action, Answer, Ask

_WHY = {"reasonCode": "UnsupportedRequest", "additionalInfo": "this central system reads no event streams"}


def _v2(_: Ask) -> Answer:
    return Answer({"status": "Rejected", "statusInfo": _WHY})


ACTION = Action("OpenPeriodicEventStream", {"ocpp2.1": _v2})
