"""Heartbeat (OCPP 1.6 section 4.6): the station asks for the time. Liveness comes from any frame."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.times import rfc3339


def _v16(ask: Ask) -> Answer:
    return Answer({"currentTime": rfc3339(ask.received_at)})


ACTION = Action("Heartbeat", {"ocpp1.6": _v16})
