"""The mains voltage is too high or too low: for one station (`high`, `low`), or for its whole site (`site high`,
`site low`), whose transformer is set wrong.

Strength is how far off, 12 to 20 percent: EN 50160 allows ten, and a good supply may be a few volts off by itself.
A station whose limits it passes stops charging and says so.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from simulator import physics
from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner, site_asset
from simulator.faults.shown import Said, either, reported
from simulator.spec import StationSpec, measures_mains

if TYPE_CHECKING:
    from simulator.station import Station

_of_station = planner("voltage_range", whole=True, details=("high", "low", "site high", "site low"))


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None, /) -> FaultPlan:
    plan = _of_station(spec, rng, since_s, until_s)
    if plan.detail.startswith("site"):
        return msgspec.structs.replace(plan, asset=site_asset(spec))
    return plan


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    off = share * between(0.12, 0.2, plan.strength) * (1 if plan.detail.endswith("high") else -1)
    for bay in bays(station, plan):
        bay.circuit.defects.phase_offset_v = (off * physics.NOMINAL_V,) * 3


def _shows(plan: FaultPlan, said: Said) -> bool:
    return any(measurand == "Voltage" for measurand, *_ in said.readings())


KIND = FaultKind(
    "voltage_range",
    _plan,
    *graded(_apply),
    shows=either(_shows, reported),
    fits=measures_mains,
    lasts_s=12 * 3600,
    whole_site=lambda spec: spec.current == "AC",
)
