"""The meter stands still: its register counts no more (`register`), or the line to it is dead and the station
repeats what it said last (`link`).

Strength is the share of the time: a loose plug comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, intermittent, planner
from simulator.faults.shown import Said, flowing

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.frozen = plan.detail if share else ""


def _shows(plan: FaultPlan, said: Said) -> bool:
    """Values while something flows, as the station says or a device beside it."""
    return flowing(plan, said)


KIND = FaultKind(
    "meter_frozen",
    planner("meter_frozen", details=("register", "link")),
    *intermittent(_apply, cycle_s=2 * 3600),
    shows=_shows,
    acts=lambda bay: bool(bay.circuit.defects.frozen),
    lasts_s=2 * 86_400,
)
