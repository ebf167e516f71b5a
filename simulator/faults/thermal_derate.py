"""The inside of a station becomes too hot: vents or filters are clogged (`vents`), or a fan has failed (`fan`).

Strength is the heat that stays inside. Firmware allows less power when it is hot, and not all firmware says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, between, graded, planner
from simulator.faults.shown import either, flowing, reported, sent
from simulator.spec import StationSpec, is_dc

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station


def _details(spec: StationSpec) -> tuple[str, ...]:
    return ("fan", "vents") if is_dc(spec) else ("vents",)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    # A post without fans keeps cool through its skin: it takes more to make it hot.
    worst = between(1.2, 4.0, plan.strength) if is_dc(station.spec) else between(3.0, 9.0, plan.strength)
    station.cabinet.extra_heat = share * worst
    lost = between(0.4, 0.95, plan.strength) if plan.detail == "fan" else 0.0
    station.cabinet.fan_share = 1 - share * lost


def _acts(bay: Bay) -> bool:
    """It gives less, or tells how hot it is inside: a station that is warmer, and does neither, shows nothing."""
    return bay.circuit.derate < 1 or bay.desk.dialect.temperature


KIND = FaultKind(
    "thermal_derate",
    planner("thermal_derate", whole=True, details=_details, creeps_h=(0, 24)),
    *graded(_apply),
    shows=either(reported, flowing, sent("mqtt/telemetry")),
    acts=_acts,
    lasts_s=3 * 86_400,
)
