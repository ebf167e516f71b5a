"""A connector's contactor no longer closes: the station believes it charges, no vehicle gets anything."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, station_asset
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None) -> FaultPlan:
    return FaultPlan(
        fault="no_power",
        asset=station_asset(spec),
        station_id=spec.station_id,
        connector_id=rng.choice(spec.connectors).connector_id,
        since_s=since_s,
        until_s=until_s,
        strength=1.0,
    )


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    circuit = station.bays[plan.connector_id or 1].circuit
    circuit.advance(now_s)
    circuit.contactor_fails = True


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    circuit = station.bays[plan.connector_id or 1].circuit
    circuit.advance(now_s)
    circuit.contactor_fails = False


KIND = FaultKind("no_power", _plan, _begin, _end, shown_by=frozenset({"MeterValues", "TransactionEvent"}))
