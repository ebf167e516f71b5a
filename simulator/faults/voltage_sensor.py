"""The meter's voltage input drifts: power per ampere is off, and all that it measures agrees with itself. No rule
of the catalogue names it.

Strength is how far off, 3 to 8 percent, within what the mains may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import Said, flowing

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    off = share * between(0.03, 0.08, plan.strength) * (1 if plan.detail == "+" else -1)
    for bay in bays(station, plan):
        bay.circuit.defects.voltage_gain = 1 + off


def _shows(plan: FaultPlan, said: Said) -> bool:
    return not said.action.startswith("mqtt/") and flowing(plan, said)


KIND = FaultKind(
    "voltage_sensor",
    planner("voltage_sensor", details=("+", "-"), creeps_h=(0, 48)),
    *graded(_apply),
    shows=_shows,
    lasts_s=6 * 86_400,
)
