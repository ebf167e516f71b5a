"""Vehicles that stop taking current for a while in mid-session and go on: to even out cells, to cool, because an
app says so. Some let the station know (`told`), some keep their contactor closed and draw nothing (`untold`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.drivers import Visit
from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import is_ac, of_connector, switched

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station


def _begun(bay: Bay, visit: Visit, now_s: float, *, told: bool) -> None:
    rng = bay.desk.rng
    if rng.random() < 0.6:
        after_s = rng.uniform(0.05, 0.5) * min(visit.dwell_s, 7200)
        bay.pause(after_s, rng.uniform(180, 2400), now_s, told=told)


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    told = plan.detail == "told"
    for bay in bays(station, plan):
        bay.begun = (lambda bay, visit, now: _begun(bay, visit, now, told=told)) if on else None


KIND = of_connector("vehicle_pause", switched(_apply), days=3, fits=is_ac, details=("told", "untold"))
