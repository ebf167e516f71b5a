"""The bank that takes the payments is down: no terminal anywhere takes a card, and none is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import of_all, switched

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    for bay in bays(station, plan):
        bay.flaws.terminal_dead = 1.0 if on else 0.0


KIND = of_all("acquirer_outage", switched(_apply), days=0.75)
