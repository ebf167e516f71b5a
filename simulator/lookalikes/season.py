"""The weather turns: it is much warmer, or colder, than in the weeks before, for a whole site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, between
from simulator.lookalikes.base import of_site, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.site.offset_k = between(-12, 16, plan.strength) if on else 0.0


KIND = of_site("season", switched(_apply), days=4)
