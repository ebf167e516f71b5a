"""A DC module's regulator oscillates: the current is restless. No rule of the catalogue names it.

Strength is the ripple, 1.5 to 7 percent of the current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, graded, planner, times
from simulator.faults.shown import flowing
from simulator.spec import is_dc

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.ripple = share * times(0.015, 0.07, plan.strength)


KIND = FaultKind(
    "current_ripple",
    planner("current_ripple", whole=True, creeps_h=(0, 48)),
    *graded(_apply),
    shows=flowing,
    fits=is_dc,
    lasts_s=5 * 86_400,
)
