"""The mains are gone for some minutes: plug sensors read nothing while the gateway lives on its battery, then the
station is silent, and soon it is back. Nobody cut a cable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays, settle
from simulator.lookalikes.base import of_station

if TYPE_CHECKING:
    from simulator.station import Station

_BATTERY_S = 75.0


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    settle(station, now_s)
    for bay in bays(station, plan):
        bay.stop("PowerLoss", now_s)
        bay.circuit.defects.plug_sensor = "open"
    station.after(_BATTERY_S, now_s, station.power_off)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.plug_sensor = ""
    station.power_on(now_s)


KIND = of_station("power_cut", (_begin, _end), days=6 / 1440)
