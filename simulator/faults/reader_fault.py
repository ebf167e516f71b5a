"""The station's card reader dies: cards are not read. Vehicles that it knows by themselves go on charging.

Strength is the share of cards that are not read, from two in three to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import sent

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.reader_dead = between(0.67, 1.0, plan.strength) if share else 0.0


KIND = FaultKind(
    "reader_fault",
    planner("reader_fault", whole=True),
    *graded(_apply),
    shows=sent("StatusNotification"),  # somebody comes and goes without a session
    lasts_s=3 * 86_400,
)
