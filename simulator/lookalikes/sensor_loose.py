"""The temperature sensor in a plug has a bad contact: single readings leap by tens of kelvin and are back with the
next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import of_connector, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.plug_sensor = "loose" if on else ""


KIND = of_connector("sensor_loose", switched(_apply), days=3)
