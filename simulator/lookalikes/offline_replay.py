"""The station is without a network for ten minutes now and then, goes on charging, and tells it all afterwards,
with the times at which it happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import HOUR_S, of_station

if TYPE_CHECKING:
    from simulator.station import Station


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.over(now_s):
        return
    station.network = False
    station.after(station.rng.uniform(6, 11) * 60, now_s, lambda now: _back(station))
    station.after(station.rng.uniform(2, 5) * HOUR_S, now_s, lambda now: _begin(station, plan, now))


def _back(station: Station) -> None:
    station.network = True


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.network = True


KIND = of_station("offline_replay", (_begin, _end), days=2)
