"""The site is closed: a car park that is locked, a yard that is dug up. Who is in may go on; nobody comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_site, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.site.closed = on


KIND = of_site("closed", switched(_apply), days=1.5)
