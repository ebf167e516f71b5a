"""A load management that lets vehicles have one phase, and three again, as the sun comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.central import clear_request, limit_request
from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station
from simulator.spec import three_phase

if TYPE_CHECKING:
    from simulator.station import Station


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.over(now_s):
        return
    phases, limit_a = station.rng.choice(((1, 16), (3, 16), (1, 10), (3, 32)))
    every_s = station.rng.uniform(900, 3600)
    station.ask(*limit_request(station.spec.protocol, limit_a, now_s, 2 * every_s, phases=phases))
    station.after(every_s, now_s, lambda now: _begin(station, plan, now))


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.ask(*clear_request(station.spec.protocol))


KIND = of_station("phase_switching", (_begin, _end), days=2, fits=three_phase)
