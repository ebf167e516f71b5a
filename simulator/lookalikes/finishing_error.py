"""A station that names an error while it is Finishing, because the session ended the way it did, and drops it when
the plug is pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, speaks_16, switched
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station

_CODES = ("InternalError", "OtherError", "PowerSwitchFailure", "EVCommunicationError")


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    def complain(message: Message) -> Message:
        payload = message.payload
        if payload.get("status") != "Finishing" or station.rng.random() > 0.7:
            return message
        return message._replace(payload=payload | {"errorCode": station.rng.choice(_CODES)})

    station.garble = complain if on else None


KIND = of_station("finishing_error", switched(_apply), days=3, fits=speaks_16)
