"""The controller withholds current in mid-session and forgets to give it again: SuspendedEVSE, although it offers
enough.

Strength is how often, from every fourth session to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import Said

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.withholds = between(0.25, 1.0, plan.strength) if share else 0.0


def _shows(plan: FaultPlan, said: Said) -> bool:
    state = said.payload.get("transactionInfo", {}).get("chargingState")
    return "SuspendedEVSE" in (said.payload.get("status"), state)


KIND = FaultKind(
    "stuck_suspended_evse", planner("stuck_suspended_evse"), *graded(_apply), shows=_shows, lasts_s=36 * 3600
)
