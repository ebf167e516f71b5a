"""Somebody has set the station to tell its meter values every quarter of an hour only, to save data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    usual_s = station.options.meter_interval_s or station.dialect.interval_s
    station.meter_interval_s = 900.0 if on else usual_s


KIND = of_station("sparse_samples", switched(_apply), days=5)
