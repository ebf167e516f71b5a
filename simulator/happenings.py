"""All that can befall a station: faults, and what only looks like one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults import KINDS, FaultPlan
from simulator.lookalikes import LOOK_ALIKES

if TYPE_CHECKING:
    from simulator.station import Station

_ALL = {**KINDS, **LOOK_ALIKES}


def begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    """It sets in."""
    _ALL[plan.fault].begin(station, plan, now_s)


def end(station: Station, plan: FaultPlan, now_s: float) -> None:
    """It is over, or mended."""
    _ALL[plan.fault].end(station, plan, now_s)
