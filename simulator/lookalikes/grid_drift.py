"""The voltage of the grid comes and goes over an hour or two, whoever charges: clouds over solar panels, a works
next door. It stays within what EN 50160 allows.

Strength is how much, 3 to 8 volts to either side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, between, settle
from simulator.lookalikes.base import of_site

if TYPE_CHECKING:
    from simulator.station import Station

_STEP_S = 60.0


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    """One station sees to it for all."""
    if plan.over(now_s) or station.spec.station_id != plan.station_id:
        return
    settle(station, now_s)
    slow = math.sin(math.tau * (now_s - plan.since_s) / 5400) + 0.5 * math.sin(math.tau * now_s / 2100)
    off_v = between(3, 8, plan.strength) * slow / 1.5
    station.site.offset_v = (off_v, off_v, off_v)
    station.after(_STEP_S, now_s, lambda now: _begin(station, plan, now))


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    settle(station, now_s)
    station.site.offset_v = (0.0, 0.0, 0.0)


KIND = of_site("grid_drift", (_begin, _end), days=1.5)
