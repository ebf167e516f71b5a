"""The meter's register falls, and counts on from there: its memory went back to an older copy.

Strength says how much was lost: what was delivered since that copy, from 0.5 to 30 kWh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, planner, settle, times
from simulator.faults.shown import registers

if TYPE_CHECKING:
    from simulator.station import Station


def _lost_wh(plan: FaultPlan) -> float:
    return times(500, 30_000, plan.strength)


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    settle(station, now_s)
    for bay in bays(station, plan):
        bay.circuit.defects.register_error_wh -= _lost_wh(plan)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    """The meter is replaced or set right: the register reads what it should again."""
    settle(station, now_s)
    for bay in bays(station, plan):
        bay.circuit.defects.register_error_wh += _lost_wh(plan)


KIND = FaultKind("meter_rollback", planner("meter_rollback"), _begin, _end, shows=registers, lasts_s=2 * 86_400)
