"""A terminal of the station's supply comes loose: its resistance grows over days, voltage falls under load.

Strength is the resistance, 0.2 to 1.5 ohm, in one phase or all (their common neutral)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, graded, planner, times
from simulator.faults.shown import Said, either, flowing, reported
from simulator.spec import StationSpec, measures_mains

if TYPE_CHECKING:
    from simulator.station import Station


def _details(spec: StationSpec) -> tuple[str, ...]:
    return ("all",) if spec.phases < 3 else ("all", "L1", "L2", "L3")


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    ohm = share * times(0.2, 1.5, plan.strength)
    added = tuple(ohm if plan.detail in ("all", f"L{phase}") else 0.0 for phase in (1, 2, 3))
    for bay in bays(station, plan):
        bay.circuit.defects.supply_ohm = added


def _shows(plan: FaultPlan, said: Said) -> bool:
    volts = any(measurand == "Voltage" for measurand, *_ in said.readings())
    return volts and flowing(plan, said)


KIND = FaultKind(
    "supply_resistance",
    planner("supply_resistance", whole=True, details=_details, creeps_h=(12, 96)),
    *graded(_apply),
    shows=either(_shows, reported),
    fits=measures_mains,
    lasts_s=6 * 86_400,
)
