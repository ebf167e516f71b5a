"""A station that names EVCommunicationError while a vehicle pauses or is full. It is not Faulted, and charges the
next one (OCPP 1.6 section 7.6: "not a real error")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, speaks_16, switched
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station

_WHILE = frozenset({"Preparing", "SuspendedEV", "SuspendedEVSE"})


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    def complain(message: Message) -> Message:
        payload = message.payload
        if payload.get("status") not in _WHILE or station.rng.random() > 0.7:
            return message
        return message._replace(payload=payload | {"errorCode": "EVCommunicationError"})

    station.garble = complain if on else None


KIND = of_station("ev_communication", switched(_apply), days=3, fits=speaks_16)
