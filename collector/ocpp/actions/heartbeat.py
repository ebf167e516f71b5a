"""Heartbeat (OCPP 1.6 section 4.6; 2.0.1 part 2 G02): the station asks for the time.

Liveness comes from any frame.
"""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.times import rfc3339


def _read(ask: Ask) -> Answer:
    return Answer({"currentTime": rfc3339(ask.received_at)})


ACTION = Action("Heartbeat", {"ocpp1.6": _read, "ocpp2.0.1": _read, "ocpp2.1": _read})
