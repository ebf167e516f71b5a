"""A meter whose register leaves out what the cable takes (as calibration law wants it of fast chargers), while the
power that it shows does not.

Strength is how much that is at full current: 0.5 to 4 percent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays, times
from simulator.lookalikes.base import of_station, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    for bay in bays(station, plan):
        spec = bay.circuit.spec
        ohm = times(0.005, 0.04, plan.strength) * spec.max_power_w / spec.max_current_a**2
        bay.circuit.compensated_ohm = ohm if on else 0.0


KIND = of_station("loss_compensation", switched(_apply), days=6)
