"""Somebody pressed the emergency stop; it stays pressed until somebody comes and releases it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, planner, settle
from simulator.faults.shown import reported
from simulator.firmware import Fault

if TYPE_CHECKING:
    from simulator.station import Station


_PRESSED = Fault("OtherError", "emergency stop pressed", "CX008")


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    settle(station, now_s)
    for bay in bays(station, plan):
        bay.raise_fault(_PRESSED, now_s, reason="EmergencyStop")


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    for bay in bays(station, plan):
        if bay.fault is _PRESSED:
            bay.clear_fault(now_s)


KIND = FaultKind(
    "emergency_stop",
    planner("emergency_stop", whole=True, graded=False),
    _begin,
    _end,
    shows=reported,
    lasts_s=4 * 3600,
)
