"""A DC cable's insulation goes: water has come in, and a path to earth opens over hours.

Strength is the path, from 450 down to 15 ohm per volt: IEC 61851-23 has a warning under 500. Firmware looks at it
before and during each session."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, graded, planner, plug_asset, times
from simulator.faults.shown import Said, either, reported
from simulator.spec import is_dc

if TYPE_CHECKING:
    from simulator.station import Station


_SOUND_OHM_PER_V = 1000.0


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.earth_ohm_per_v = times(450, 15, plan.strength) / share if share else inf


def _shows(plan: FaultPlan, said: Said) -> bool:
    """Less than rain leaves of a sound cable's."""
    return float(said.payload.get("isolation_ohm_per_v", inf)) < _SOUND_OHM_PER_V


KIND = FaultKind(
    "isolation",
    planner("isolation", asset=plug_asset, creeps_h=(0.5, 24)),
    *graded(_apply),
    shows=either(_shows, reported),
    fits=is_dc,
    lasts_s=2 * 86_400,
)
