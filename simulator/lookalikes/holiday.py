"""A public holiday: everywhere far fewer come than on other days like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_all, switched

if TYPE_CHECKING:
    from simulator.station import Station

_STILL_COME = 0.15


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.site.quiet = _STILL_COME if on else 1.0


KIND = of_all("holiday", switched(_apply), days=1)
