"""The site's connection is shared: for days its stations may have a part of their power only.

Strength is how much they lose, up to 65 percent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.central import clear_request, limit_request
from simulator.faults.base import FaultPlan, between
from simulator.lookalikes.base import of_site

if TYPE_CHECKING:
    from simulator.station import Station

_AGAIN_S = 3600.0


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    """Asked again each hour, so that who was away hears of it."""
    if plan.over(now_s):
        return
    most_a = max(connector.max_current_a for connector in station.spec.connectors)
    left_a = max(most_a * between(0.85, 0.35, plan.strength), 7.0)
    station.ask(*limit_request(station.spec.protocol, left_a, now_s, 2 * _AGAIN_S))
    station.after(_AGAIN_S, now_s, lambda now: _begin(station, plan, now))


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.ask(*clear_request(station.spec.protocol))


KIND = of_site("site_cap", (_begin, _end), days=3)
