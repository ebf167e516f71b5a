"""A fan wears: it turns slower than it should for the warmth inside. No rule of the catalogue names it.

Strength is how much slower, 15 to 60 percent; what that warms stays under the limits of the firmware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, between, graded, planner
from simulator.faults.shown import sent
from simulator.spec import StationSpec, is_dc

if TYPE_CHECKING:
    from simulator.station import Station


def _fits(spec: StationSpec) -> bool:
    return is_dc(spec) and spec.devices


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    station.cabinet.fan_share = 1 - share * between(0.15, 0.6, plan.strength)
    station.cabinet.extra_heat = share * 0.4 * plan.strength


KIND = FaultKind(
    "slow_fan",
    planner("slow_fan", whole=True, creeps_h=(0, 48)),
    *graded(_apply),
    shows=sent("mqtt/telemetry"),
    fits=_fits,
    lasts_s=6 * 86_400,
)
