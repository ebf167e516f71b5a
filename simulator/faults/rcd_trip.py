"""The station's own wiring leaks to earth, and its residual current device trips now and then.

Strength is the leak, 14 to 40 milliampere; it is restless, and trips whatever vehicle is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import reported
from simulator.spec import StationSpec, is_dc

if TYPE_CHECKING:
    from simulator.station import Station


def _fits(spec: StationSpec) -> bool:
    return not is_dc(spec)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.leak_ma = share * between(14, 40, plan.strength)


KIND = FaultKind(
    "rcd_trip", planner("rcd_trip", whole=True), *graded(_apply), shows=reported, fits=_fits, lasts_s=2 * 86_400
)
