"""A cable pulls at its plug, so that the lock does not move: once. The driver eases it, and it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays
from simulator.firmware import Fault
from simulator.lookalikes.base import of_connector

if TYPE_CHECKING:
    from simulator.station import Station

_JAMMED = Fault("ConnectorLockFailure", "lock motor end position not reached", "CX001")


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    for bay in bays(station, plan):
        if bay.fault is None:
            bay.raise_fault(_JAMMED, now_s, retry=True)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    for bay in bays(station, plan):
        if bay.fault is _JAMMED:
            bay.clear_fault(now_s)


KIND = of_connector("cable_tension", (_begin, _end), days=30 / 86_400)
