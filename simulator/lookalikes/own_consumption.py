"""What a post takes itself goes through its meters: electronics, and a heater against frost. It flows day and
night, session or not.

Strength is how much, 25 to 140 watts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays, times
from simulator.lookalikes.base import is_ac, of_connector, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    for bay in bays(station, plan):
        bay.circuit.own_w = times(25, 140, plan.strength) if on else 0.0


KIND = of_connector("own_consumption", switched(_apply), days=4, fits=is_ac)
