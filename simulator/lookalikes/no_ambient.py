"""The station's devices do not know the temperature of the air any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


def _fits(spec: StationSpec) -> bool:
    return spec.devices


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.air_sensor = not on


KIND = of_station("no_ambient", switched(_apply), days=6, fits=_fits)
