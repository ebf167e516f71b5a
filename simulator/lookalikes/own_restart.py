"""The central system is restarted again and again within an hour: every station reconnects as often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_all

if TYPE_CHECKING:
    from simulator.station import Station

_EVERY_S = 420.0
_AWAY_S = 12.0


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.over(now_s):
        return
    station.sent_away = True
    station.after(_AWAY_S, now_s, lambda now: _back(station))
    station.after(_EVERY_S, now_s, lambda now: _begin(station, plan, now))


def _back(station: Station) -> None:
    station.sent_away = False


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.sent_away = False


KIND = of_all("own_restart", (_begin, _end), days=1.5 / 24)
