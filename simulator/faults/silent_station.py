"""A station that is online, and where nobody can start: barred, its display dark, its flaps jammed. It says
nothing of it.

Strength is the share of drivers who leave again, from five in six to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.turned_away = between(0.85, 1.0, plan.strength) if share else 0.0


KIND = FaultKind(
    "silent_station", planner("silent_station", whole=True), *graded(_apply), shows=None, lasts_s=9 * 86_400
)
