"""The plug's pilot or proximity contact is bent or corroded: it fails when somebody plugs in.

Strength is how often, from one time in seven to nearly always."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner, plug_asset
from simulator.faults.shown import reported

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.pilot_fails = between(0.15, 0.9, plan.strength) if share else 0.0


KIND = FaultKind(
    "pilot_proximity",
    planner("pilot_proximity", asset=plug_asset),
    *graded(_apply),
    shows=reported,
    lasts_s=36 * 3600,
)
