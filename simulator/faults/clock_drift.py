"""The station's clock is wrong: it leapt (`leap`), or runs fast or slow and nothing sets it (`drift`).

Strength is how wrong it becomes, 45 seconds to 4 hours, ahead or behind."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from simulator.faults.base import FaultKind, FaultPlan, graded, planner, times
from simulator.faults.shown import sent
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    sign = 1 if plan.detail.endswith("+") else -1
    station.clock_offset_s = sign * share * times(45, 14_400, plan.strength)


_SAYS_TIMES = ("StatusNotification", "StartTransaction", "MeterValues", "StopTransaction", "TransactionEvent")

_creeps = planner("clock_drift", whole=True, details=("leap +", "leap -", "drift +", "drift -"), creeps_h=(12, 48))


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None, /) -> FaultPlan:
    plan = _creeps(spec, rng, since_s, until_s)
    return plan if plan.detail.startswith("drift") else msgspec.structs.replace(plan, onset_s=0.0)


KIND = FaultKind("clock_drift", _plan, *graded(_apply), shows=sent(*_SAYS_TIMES), lasts_s=3 * 86_400)
