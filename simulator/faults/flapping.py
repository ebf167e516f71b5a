"""The station comes and goes: its network drops again and again (`link`), or it restarts (`boot`).

Strength is how often: the network 5 to 40 times an hour, restarts 3 to 60 times a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, planner, times
from simulator.faults.shown import sent

if TYPE_CHECKING:
    from simulator.station import Station


def _gap_s(plan: FaultPlan) -> float:
    return 3600 / times(5, 40, plan.strength) if plan.detail == "link" else 86_400 / times(3, 60, plan.strength)


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.over(now_s):
        return
    away_s = station.rng.uniform(5, 30)
    if plan.detail == "link":
        station.network = False
        station.after(away_s, now_s, lambda now: _link_back(station))
    else:
        station.power_off(now_s)
        station.after(away_s + 20, now_s, station.power_on)
    station.after(_gap_s(plan) * station.rng.uniform(0.5, 1.5), now_s, lambda now: _begin(station, plan, now))


def _link_back(station: Station) -> None:
    station.network = True


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.detail == "link":
        station.network = True
    else:
        station.power_on(now_s)


KIND = FaultKind(
    "flapping",
    planner("flapping", whole=True, details=("link", "link", "boot")),
    _begin,
    _end,
    shows=sent("BootNotification", "StatusNotification"),
    lasts_s=18 * 3600,
)
