"""The contacts of a plug wear: their resistance grows over days, and they warm more for the same current.

Strength is the resistance that is added, from a third to five times that of new contacts. What the station does
when the plug becomes hot is its firmware's affair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import physics
from simulator.faults.base import FaultKind, FaultPlan, bays, graded, planner, plug_asset, times
from simulator.faults.shown import either, hot_plug, reported

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        new_ohm = physics.contact_ohm(bay.circuit.spec.max_current_a)
        bay.circuit.defects.contact_ohm = share * times(0.35, 5.0, plan.strength) * new_ohm


KIND = FaultKind(
    "plug_resistance",
    planner("plug_resistance", asset=plug_asset, creeps_h=(24, 120)),
    *graded(_apply),
    shows=either(hot_plug, reported),
    lasts_s=8 * 86_400,
)
