"""One-phase vehicles beside three-phase ones, and neighbours who load one phase of the grid most: what a station
draws is uneven, and so, within what EN 50160 allows, are its voltages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.drivers import Visit
from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import drives, of_site, switched
from simulator.spec import three_phase

if TYPE_CHECKING:
    from simulator.station import Station

_UNEVEN_V = (-2.2, 0.6, 1.2)


def _one_phase(visit: Visit) -> Visit:
    return drives(visit, ac_phases=1, ac_max_a=32.0)


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.site.offset_v = _UNEVEN_V if on else (0.0, 0.0, 0.0)
    for bay in bays(station, plan):
        odd = bay.connector_id % 2 == 1 and not bay.circuit.dc
        bay.guest = _one_phase if on and odd else None


KIND = of_site("mixed_loads", switched(_apply), days=1.5, fits=three_phase)
