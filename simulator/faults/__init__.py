"""Faults that can be laid upon a fleet, ONE FILE PER FAULT, each with onset, strength, end and ground truth.

A fault changes the causes (a contactor, a register, a network); what a detector may see of it follows from the
station's own physics and firmware. No file here knows a detection threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults import (
    current_ripple,
    meter_drift,
    meter_frozen,
    meter_jump,
    meter_rollback,
    module_loss,
    no_power,
    offline,
    overcurrent,
    phase_imbalance,
    phase_loss,
    plug_resistance,
    power_mismatch,
    reported_fault,
    supply_resistance,
    voltage_range,
    welded_contactor,
)
from simulator.faults.base import FaultKind, FaultPlan

if TYPE_CHECKING:
    from simulator.station import Station

KINDS: dict[str, FaultKind] = {
    kind.code: kind
    for kind in (
        reported_fault.KIND,
        no_power.KIND,
        offline.KIND,
        plug_resistance.KIND,
        supply_resistance.KIND,
        voltage_range.KIND,
        phase_loss.KIND,
        phase_imbalance.KIND,
        overcurrent.KIND,
        welded_contactor.KIND,
        module_loss.KIND,
        meter_frozen.KIND,
        meter_rollback.KIND,
        meter_jump.KIND,
        meter_drift.KIND,
        power_mismatch.KIND,
        current_ripple.KIND,
    )
}

UNNAMED = frozenset({"current_ripple"})
"""Faults that the catalogue has no rule for: only what is unlike its peers can be seen."""


def begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    """The fault sets in."""
    KINDS[plan.fault].begin(station, plan, now_s)


def end(station: Station, plan: FaultPlan, now_s: float) -> None:
    """The fault is mended."""
    KINDS[plan.fault].end(station, plan, now_s)


__all__ = ["KINDS", "UNNAMED", "FaultKind", "FaultPlan", "begin", "end"]
