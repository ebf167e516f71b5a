"""The station falls silent: its network is gone (`link`) or it has lost power (`power`).

Without a network it goes on charging and tells it all later; without power its transactions end, and it boots
when the power is back.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, station_asset
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None) -> FaultPlan:
    return FaultPlan(
        fault="offline",
        asset=station_asset(spec),
        station_id=spec.station_id,
        connector_id=None,
        since_s=since_s,
        until_s=until_s,
        strength=1.0,
        detail=rng.choice(("link", "link", "power")),
    )


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.detail == "power":
        station.power_off(now_s)
    else:
        station.network = False


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.detail == "power":
        station.power_on(now_s)
    else:
        station.network = True


KIND = FaultKind("offline", _plan, _begin, _end, shown_by=frozenset())
