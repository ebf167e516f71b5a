"""The station does not see that the plug was pulled: the bay stays Finishing, and takes nobody else.

Strength is how often it hangs, and for how long: from every third time and an hour, to always and a day. A restart
frees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laddvakt.domain.stations import ConnectorState
from simulator.faults.base import FaultKind, FaultPlan, bays, between, planner, settle, times
from simulator.faults.shown import Said

if TYPE_CHECKING:
    from simulator.station import Station


_STATUS = ConnectorState.FINISHING.value


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.sticks = {_STATUS: between(0.35, 1.0, plan.strength)}
        bay.flaws.stuck_s = times(3600, 86_400, plan.strength)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    settle(station, now_s)
    for bay in bays(station, plan):
        bay.flaws.sticks = {}
        bay.unstick(now_s)


def _shows(plan: FaultPlan, said: Said) -> bool:
    return said.payload.get("status") == _STATUS or said.payload.get("connectorStatus") == "Occupied"


KIND = FaultKind(
    "stuck_finishing",
    planner("stuck_finishing"),
    _begin,
    _end,
    shows=_shows,
    acts=lambda bay: bay.hangs,
    lasts_s=2.5 * 86_400,
)
