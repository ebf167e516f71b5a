"""The temperature sensor in a plug has lost its wire and reads as cold as it can: no heat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import of_connector, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.plug_sensor = "open" if on else ""


KIND = of_connector("sensor_open", switched(_apply), days=3)
