"""Faults that can be laid upon a fleet, ONE FILE PER FAULT, each with onset, strength, end and ground truth.

A fault changes the causes (a contactor, a register, a network); what a detector may see of it follows from the
station's own physics and firmware. No file here knows a detection threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults import meter_rollback, no_power, offline, reported_fault
from simulator.faults.base import FaultKind, FaultPlan

if TYPE_CHECKING:
    from simulator.station import Station

KINDS: dict[str, FaultKind] = {
    kind.code: kind for kind in (reported_fault.KIND, no_power.KIND, offline.KIND, meter_rollback.KIND)
}


def begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    """The fault sets in."""
    KINDS[plan.fault].begin(station, plan, now_s)


def end(station: Station, plan: FaultPlan, now_s: float) -> None:
    """The fault is mended."""
    KINDS[plan.fault].end(station, plan, now_s)


__all__ = ["KINDS", "FaultKind", "FaultPlan", "begin", "end"]
