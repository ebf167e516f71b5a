"""The current that the station shows is not the one behind its power: a factor is set wrong since a repair.

Strength is how wrong, 8 to 60 percent, too much or too little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, graded, planner, times
from simulator.faults.shown import Said, flowing
from simulator.spec import measures_voltage

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    wrong = share * times(0.08, 0.6, plan.strength)
    for bay in bays(station, plan):
        bay.circuit.defects.current_gain = 1 + wrong * (1 if plan.detail == "+" else -1)


def _shows(plan: FaultPlan, said: Said) -> bool:
    return not said.action.startswith("mqtt/") and flowing(plan, said)


KIND = FaultKind(
    "power_mismatch",
    planner("power_mismatch", details=("+", "-")),
    *graded(_apply),
    shows=_shows,
    fits=measures_voltage,
    lasts_s=5 * 86_400,
)
