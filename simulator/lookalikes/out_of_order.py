"""Now and then a meter value is overtaken by the next one on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station


def _is_reading(message: Message) -> bool:
    """A reading, which says when it was taken and may come late."""
    return message.action == "MeterValues" or message.payload.get("eventType") == "Updated"


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    def delay(message: Message, now_s: float) -> float:
        odd = _is_reading(message) and station.rng.random() < 0.12
        return 1.3 * station.meter_interval_s if odd else 0.0

    station.delay = delay if on else None


KIND = of_station("out_of_order", switched(_apply), days=3)
