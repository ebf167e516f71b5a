"""Sessions end before energy flows: a board of the station fails (`station`), or a contact in the plug (`plug`).

Strength is how often, from one start in three to all. DC stations mostly name the step that failed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner, plug_asset, station_asset
from simulator.faults.shown import ended
from simulator.spec import StationSpec, is_dc

if TYPE_CHECKING:
    from simulator.station import Station


_plain = planner("failed_starts", asset=plug_asset, details=("station", "plug"))


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None, /) -> FaultPlan:
    plan = _plain(spec, rng, since_s, until_s)
    step = {"station": "CX012", "plug": "CX011"}[plan.detail]  # ChargeX: pre-charge, cable check
    told = is_dc(spec) and rng.random() < 0.7
    plan = msgspec.structs.replace(plan, detail=f"{plan.detail} {step}" if told else plan.detail)
    if plan.detail.startswith("plug"):
        return plan
    return msgspec.structs.replace(plan, asset=station_asset(spec), connector_id=None)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.start_fails = between(0.35, 1.0, plan.strength) if share else 0.0
        bay.flaws.start_code = plan.detail.partition(" ")[2]


KIND = FaultKind("failed_starts", _plan, *graded(_apply), shows=ended, lasts_s=3 * 86_400)
