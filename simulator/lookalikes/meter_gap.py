"""The meter is not heard for an hour or more in mid-session; when it is back, its register has gone on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import HOUR_S, of_station, switched
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station

_CYCLE_S = 3 * HOUR_S


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    def delay(message: Message, now_s: float) -> float:
        reading = message.action == "MeterValues" or message.payload.get("eventType") == "Updated"
        lost = (now_s - plan.since_s) % _CYCLE_S < HOUR_S * (0.7 + plan.strength)
        return float("inf") if reading and lost else 0.0

    station.delay = delay if on else None


KIND = of_station("meter_gap", switched(_apply), days=2)
