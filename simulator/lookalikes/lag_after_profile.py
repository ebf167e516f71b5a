"""A load management that changes its mind every few minutes, and vehicles that follow slowly: for some seconds
they take more than they are offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.central import clear_request, limit_request
from simulator.drivers import Visit
from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import drives, is_ac, of_station

if TYPE_CHECKING:
    from simulator.station import Station


def _slow(visit: Visit) -> Visit:
    return drives(visit, ramp_s=7.0, modesty=1.0, ac_max_a=32.0)


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    for bay in bays(station, plan):
        bay.guest = _slow
    _change(station, plan, now_s)


def _change(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.over(now_s):
        return
    limit_a = station.rng.choice((8, 12, 20, 32))
    every_s = station.rng.uniform(240, 900)
    station.ask(*limit_request(station.spec.protocol, limit_a, now_s, 2 * every_s))
    station.after(every_s, now_s, lambda now: _change(station, plan, now))


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    for bay in bays(station, plan):
        bay.guest = None
    station.ask(*clear_request(station.spec.protocol))


KIND = of_station("lag_after_profile", (_begin, _end), days=2, fits=is_ac)
