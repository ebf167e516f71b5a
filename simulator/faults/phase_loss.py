"""A phase is lost: its fuse has blown (`fuse`: no voltage), or the contactor's pole does not close (`pole`).

Strength is the share of the time that it is lost: burnt contacts come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, intermittent, planner
from simulator.faults.shown import Said, either, reported
from simulator.spec import three_phase

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station


_VARIANTS = ("fuse L2", "fuse L3", "pole L1", "pole L2", "pole L3")


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    how, phase = plan.detail.split()
    lost = frozenset({int(phase[1]) - 1} if share else ())
    for bay in bays(station, plan):
        if how == "fuse":
            bay.circuit.defects.blown = lost
        else:
            bay.circuit.defects.open_poles = lost


def _shows(plan: FaultPlan, said: Said) -> bool:
    """The phase is without voltage; or without current while another carries some."""
    how, phase = plan.detail.split()
    readings = said.readings()
    amps = {on: value for (measurand, on, _), value in readings.items() if measurand == "Current.Import"}
    dark = how == "fuse" and 0 < readings.get(("Voltage", f"{phase}-N", ""), 0.0) < 100
    return dark or (max(amps.values(), default=0.0) > 1 and amps.get(phase) == 0.0)


def _acts(bay: Bay) -> bool:
    """A vehicle is there that would use the phase, or its voltage is told: a one-phase car misses nothing."""
    circuit = bay.circuit
    lost = circuit.defects.blown | circuit.defects.open_poles
    used = any(phase < circuit.vehicle_phases for phase in lost)
    return used or (bool(circuit.defects.blown) and bay.desk.dialect.voltage)


KIND = FaultKind(
    "phase_loss",
    planner("phase_loss", details=_VARIANTS),
    *intermittent(_apply, cycle_s=3 * 3600),
    shows=either(_shows, reported),
    acts=_acts,
    fits=three_phase,
    lasts_s=2 * 86_400,
)
