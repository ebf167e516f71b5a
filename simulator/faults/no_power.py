"""A connector's contactor often, or never, closes: the station believes it charges, no vehicle gets anything.

Strength is how often, from three closings in ten to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import VALUES, Said, flowing

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.set_contactor(stays_open=between(0.3, 1.0, plan.strength) if share else 0.0)


def _shows(plan: FaultPlan, said: Said) -> bool:
    return said.action in VALUES and not flowing(plan, said)


def _acts(bay: Bay) -> bool:
    return bay.circuit.closed and not bay.circuit.conducting


KIND = FaultKind("no_power", planner("no_power"), *graded(_apply), shows=_shows, lasts_s=2 * 86_400, acts=_acts)
