"""Batteries that come out of the frost: until they are warm, they take a fraction of what they could."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.drivers import Visit
from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import drives, of_site, switched

if TYPE_CHECKING:
    from simulator.station import Station

_FROST_K = -14.0


def _unheated(visit: Visit) -> Visit:
    return drives(visit, preheats=False)


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.site.offset_k = _FROST_K if on else 0.0
    for bay in bays(station, plan):
        bay.guest = _unheated if on else None


KIND = of_site("cold_battery", switched(_apply), days=2)
