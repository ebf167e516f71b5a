"""Vehicles that wait for the hour at which power is cheap or they are to leave: nothing flows for hours, then all
is well. They say so at once: SuspendedEV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.drivers import Visit
from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import HOUR_S, is_ac, of_connector, switched

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station


def _patient(visit: Visit) -> Visit:
    return visit._replace(patience_s=float("inf"))


def _begun(bay: Bay, visit: Visit, now_s: float) -> None:
    if bay.desk.rng.random() < 0.7:
        bay.pause(0, bay.desk.rng.uniform(0.5, 7) * HOUR_S, now_s)


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    for bay in bays(station, plan):
        bay.guest = _patient if on else None
        bay.begun = _begun if on else None


KIND = of_connector("departure_schedule", switched(_apply), days=3, fits=is_ac)
