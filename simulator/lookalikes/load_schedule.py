"""A schedule that lets nothing flow in the hours in which power is dear: sessions begin, and wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.central import clear_request, limit_request
from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import HOUR_S, of_station

if TYPE_CHECKING:
    from simulator.station import Station


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.over(now_s):
        return
    dear_s = station.rng.uniform(1, 3.5) * HOUR_S
    station.ask(*limit_request(station.spec.protocol, 0, now_s, dear_s))
    station.after(dear_s + station.rng.uniform(2, 6) * HOUR_S, now_s, lambda now: _begin(station, plan, now))


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.ask(*clear_request(station.spec.protocol))


KIND = of_station("load_schedule", (_begin, _end), days=3)
