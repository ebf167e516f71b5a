"""The station falls silent: its network is gone (`link`) or it has lost power (`power`).

Without a network it goes on charging and tells it all later; without power its transactions end, and it boots
when the power is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, planner

if TYPE_CHECKING:
    from simulator.station import Station


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.detail == "power":
        station.power_off(now_s)
    else:
        station.network = False


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.detail == "power":
        station.power_on(now_s)
    else:
        station.network = True


KIND = FaultKind(
    "offline",
    planner("offline", whole=True, details=("link", "link", "power"), graded=False),
    _begin,
    _end,
    shows=None,
    lasts_s=2 * 3600,
)
