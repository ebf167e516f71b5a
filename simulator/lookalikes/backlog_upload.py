"""The station keeps its meter values and uploads them in one go each half hour, each with its own time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station

_EVERY_S = 1800.0


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    def delay(message: Message, now_s: float) -> float:
        reading = message.action == "MeterValues" or message.payload.get("eventType") == "Updated"
        return _EVERY_S - now_s % _EVERY_S if reading else 0.0

    station.delay = delay if on else None


KIND = of_station("backlog_upload", switched(_apply), days=3)
