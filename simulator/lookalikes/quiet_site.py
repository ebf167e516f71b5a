"""Hardly anybody comes to a site for some days: school is out, the shop next door is shut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, between
from simulator.lookalikes.base import of_site, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.site.quiet = between(0.02, 0.25, plan.strength) if on else 1.0


KIND = of_site("quiet_site", switched(_apply), days=2)
