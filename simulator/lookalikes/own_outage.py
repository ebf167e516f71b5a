"""Our own link to the world is down: all stations are gone at the same moment, and back at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_all, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.reachable = not on


KIND = of_all("own_outage", switched(_apply), days=1 / 24)
