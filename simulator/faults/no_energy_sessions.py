"""Vehicles dislike the station's pilot signal: sessions run, and take nothing. The fault is in the station's board
(`station`) or in the plug (`plug`).

Strength is how often, from two sessions in five to all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner, plug_asset, station_asset
from simulator.faults.shown import ended
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


_of_plug = planner("no_energy_sessions", asset=plug_asset, details=("station", "plug"))


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None, /) -> FaultPlan:
    plan = _of_plug(spec, rng, since_s, until_s)
    if plan.detail == "plug":
        return plan
    return msgspec.structs.replace(plan, asset=station_asset(spec), connector_id=None)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.refused = between(0.4, 1.0, plan.strength) if share else 0.0


KIND = FaultKind("no_energy_sessions", _plan, *graded(_apply), shows=ended, lasts_s=3 * 86_400)
