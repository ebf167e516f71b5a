"""A plug overheats: a contact has burnt (`contact`), or a cooled cable's pump has stopped (`cooling`).

It happens within hours. Strength is the resistance of the contact, eight to forty times that of a new one, or the
share of the cooling that is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import physics
from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner, plug_asset, times
from simulator.faults.shown import either, hot_plug, reported
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


_HOT_C = 75.0  # IEC 62196-1 lets terminals warm by 50 K: no sound plug gets there in Northern air


def _details(spec: StationSpec) -> tuple[str, ...]:
    cooled = any(physics.liquid_cooled(connector.max_current_a) for connector in spec.connectors)
    return ("contact", "cooling") if cooled else ("contact",)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        circuit = bay.circuit
        if plan.detail == "cooling":
            circuit.defects.cooling_lost = share * between(0.5, 1.0, plan.strength)
        else:
            new_ohm = physics.contact_ohm(circuit.spec.max_current_a)
            circuit.defects.contact_ohm = share * times(8.0, 40.0, plan.strength) * new_ohm


KIND = FaultKind(
    "plug_overheat",
    planner("plug_overheat", asset=plug_asset, details=_details, creeps_h=(0.5, 4)),
    *graded(_apply),
    shows=either(hot_plug, reported),
    acts=lambda bay: bay.circuit.plug_c > _HOT_C,
    lasts_s=12 * 3600,
)
