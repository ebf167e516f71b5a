"""The neutral of the station's supply has come loose: it moves, and the phases' voltages part.

Strength is how far it moves, 7 to 32 volts, growing over hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import Said, either, reported
from simulator.spec import StationSpec, measures_mains, three_phase

if TYPE_CHECKING:
    from simulator.station import Station


# Where the three voltages go when the neutral moves towards a phase, in shares of its way: one falls, two rise.
_AWAY = {"L1": (-1.0, 0.55, 0.45), "L2": (0.45, -1.0, 0.55), "L3": (0.55, 0.45, -1.0)}


def _fits(spec: StationSpec) -> bool:
    return three_phase(spec) and measures_mains(spec)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    moved_v = share * between(7, 32, plan.strength)
    for bay in bays(station, plan):
        bay.circuit.defects.phase_offset_v = tuple(part * moved_v for part in _AWAY[plan.detail])


def _shows(plan: FaultPlan, said: Said) -> bool:
    return any(measurand == "Voltage" for measurand, *_ in said.readings())


KIND = FaultKind(
    "phase_imbalance",
    planner("phase_imbalance", whole=True, details=tuple(_AWAY), creeps_h=(0, 12)),
    *graded(_apply),
    shows=either(_shows, reported),
    fits=_fits,
    lasts_s=48 * 3600,
)
