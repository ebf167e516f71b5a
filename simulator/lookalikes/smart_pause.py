"""A load management that pauses charging for minutes or an hour or two: SuspendedEVSE, as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.central import clear_request, limit_request
from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station

if TYPE_CHECKING:
    from simulator.station import Station


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.over(now_s):
        return
    pause_s = station.rng.uniform(600, 7200)
    station.ask(*limit_request(station.spec.protocol, station.rng.choice((0, 0, 4)), now_s, pause_s))
    station.after(2 * pause_s, now_s, lambda now: _begin(station, plan, now))


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.ask(*clear_request(station.spec.protocol))


KIND = of_station("smart_pause", (_begin, _end), days=3)
