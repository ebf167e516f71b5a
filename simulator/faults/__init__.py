"""Faults that can be laid upon a fleet, ONE FILE PER FAULT, each with onset, strength, end and ground truth.

A fault changes the causes (a contactor, a register, a network); what a detector may see of it follows from the
station's own physics and firmware. No file here knows a detection threshold.
"""

from __future__ import annotations

from simulator.faults import (
    clock_drift,
    current_ripple,
    cut_cable,
    emergency_stop,
    failed_starts,
    flapping,
    isolation,
    lock,
    meter_drift,
    meter_frozen,
    meter_jump,
    meter_rollback,
    module_loss,
    no_energy_sessions,
    no_power,
    non_conforming,
    offline,
    overcurrent,
    payment_fault,
    phase_imbalance,
    phase_loss,
    pilot_proximity,
    plug_overheat,
    plug_resistance,
    power_mismatch,
    rcd_trip,
    reader_fault,
    reported_fault,
    silent_station,
    site_outage,
    slow_fan,
    stuck_finishing,
    stuck_preparing,
    stuck_suspended_evse,
    supply_resistance,
    thermal_derate,
    voltage_range,
    voltage_sensor,
    welded_contactor,
)
from simulator.faults.base import FaultKind, FaultPlan

KINDS: dict[str, FaultKind] = {
    kind.code: kind
    for kind in (
        reported_fault.KIND,
        offline.KIND,
        site_outage.KIND,
        flapping.KIND,
        plug_resistance.KIND,
        plug_overheat.KIND,
        supply_resistance.KIND,
        voltage_range.KIND,
        phase_loss.KIND,
        phase_imbalance.KIND,
        overcurrent.KIND,
        welded_contactor.KIND,
        no_power.KIND,
        isolation.KIND,
        rcd_trip.KIND,
        pilot_proximity.KIND,
        cut_cable.KIND,
        lock.KIND,
        meter_frozen.KIND,
        meter_rollback.KIND,
        meter_jump.KIND,
        meter_drift.KIND,
        power_mismatch.KIND,
        thermal_derate.KIND,
        module_loss.KIND,
        silent_station.KIND,
        failed_starts.KIND,
        no_energy_sessions.KIND,
        stuck_preparing.KIND,
        stuck_finishing.KIND,
        stuck_suspended_evse.KIND,
        clock_drift.KIND,
        reader_fault.KIND,
        payment_fault.KIND,
        emergency_stop.KIND,
        non_conforming.KIND,
        current_ripple.KIND,
        slow_fan.KIND,
        voltage_sensor.KIND,
    )
}

UNNAMED = frozenset({"current_ripple", "slow_fan", "voltage_sensor"})
"""Faults that the catalogue has no rule for: only what is unlike its peers can be seen."""


__all__ = ["KINDS", "UNNAMED", "FaultKind", "FaultPlan"]
