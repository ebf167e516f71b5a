"""Now and then a single reading of the register is nought; the next one is right again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched
from simulator.lookalikes.wording import with_register
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station

_CHANCE = 0.02


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    def misread(message: Message) -> Message:
        reading = message.action == "MeterValues" or message.payload.get("eventType") == "Updated"
        odd = reading and "meterValue" in message.payload and station.rng.random() < _CHANCE
        return with_register(message, lambda wh: 0.0) if odd else message

    station.garble = misread if on else None


KIND = of_station("zero_reading", switched(_apply), days=3)
