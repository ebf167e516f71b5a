"""The meter's register falls, and counts on from there: its memory went back to an older copy.

Strength says how much was lost: what was delivered since that copy, from 0.5 to 30 kWh.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, station_asset
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None) -> FaultPlan:
    return FaultPlan(
        fault="meter_rollback",
        asset=station_asset(spec),
        station_id=spec.station_id,
        connector_id=rng.choice(spec.connectors).connector_id,
        since_s=since_s,
        until_s=until_s,
        strength=rng.random(),
    )


def _lost_wh(plan: FaultPlan) -> float:
    return float(500 * 60**plan.strength)


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    circuit = station.bays[plan.connector_id or 1].circuit
    circuit.advance(now_s)
    circuit.register_error_wh -= _lost_wh(plan)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    """The meter is replaced or set right: the register reads what it should again."""
    circuit = station.bays[plan.connector_id or 1].circuit
    circuit.advance(now_s)
    circuit.register_error_wh += _lost_wh(plan)


KIND = FaultKind(
    "meter_rollback",
    _plan,
    _begin,
    _end,
    shown_by=frozenset({"StartTransaction", "MeterValues", "TransactionEvent"}),
)
