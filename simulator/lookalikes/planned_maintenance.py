"""People come, as was planned and written down: the station is taken out of service, has no power for a while, and
is given back. The plan is known: it lies in the records as a silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.central import availability_request
from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station

if TYPE_CHECKING:
    from simulator.station import Station


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.ask(*availability_request(station.spec.protocol, operative=False))
    length_s = (plan.until_s or now_s) - now_s
    station.after(0.1 * length_s, now_s, station.power_off)
    station.after(0.8 * length_s, now_s, station.power_on)
    station.after(0.95 * length_s, now_s, lambda now: _give_back(station))


def _give_back(station: Station) -> None:
    station.ask(*availability_request(station.spec.protocol, operative=True))


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.power_on(now_s)


KIND = of_station("planned_maintenance", (_begin, _end), days=3 / 24)
