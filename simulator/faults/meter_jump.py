"""The meter's register leaps ahead: a bit flipped in its memory.

Strength says by how much, from 2 to 800 kWh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, planner, settle, times
from simulator.faults.shown import registers

if TYPE_CHECKING:
    from simulator.station import Station


def _leap_wh(plan: FaultPlan) -> float:
    return times(2_000, 800_000, plan.strength)


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    settle(station, now_s)
    for bay in bays(station, plan):
        bay.circuit.defects.register_error_wh += _leap_wh(plan)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    """The wrong register stays: billing reckons from it. The meter is sound again."""


KIND = FaultKind("meter_jump", planner("meter_jump"), _begin, _end, shows=registers, lasts_s=24 * 3600)
