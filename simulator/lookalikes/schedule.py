"""Which look-alikes befall a fleet, and when; their ground truth. Pure and seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from simulator.faults import FaultKind, FaultPlan
from simulator.faults.ground import Ground
from simulator.faults.schedule import in_utc, lay_faults
from simulator.lookalikes import LOOK_ALIKES
from simulator.spec import StationSpec

_DAY_S = 86_400.0


def lay_look_alikes(
    specs: Sequence[StationSpec],
    *,
    seed: int,
    codes: Sequence[str],
    each: int,
    from_s: float,
    until_s: float,
    start_s: float,
) -> tuple[FaultPlan, ...]:
    """`each` look-alikes of each code, within a time, as `lay_faults` lays faults; traits are there from the
    fleet's `start_s`, and what befalls all stations comes beside everything else, once for each code."""
    rng = random.Random(f"look-alikes/{seed}")
    kinds = [LOOK_ALIKES[code] for code in codes]
    traits = [kind for kind in kinds if kind.whole_run for _ in range(each)]
    ground = Ground(specs, rng)
    laid = [ground.lay(kind, start_s, until_s - start_s) for kind in traits]
    plans = [plan for plan in laid if plan is not None]
    passing = [kind.code for kind in kinds if not kind.whole_run and not kind.everywhere]
    plans += lay_faults(
        specs,
        seed=seed,
        codes=passing,
        count=each * len(passing),
        from_s=from_s,
        until_s=until_s,
        among=LOOK_ALIKES,
        beside=plans,
    )
    plans += [_everywhere(kind, specs, rng, from_s, until_s) for kind in kinds if kind.everywhere]
    return tuple(sorted(plans, key=lambda plan: plan.since_s))


def spread_look_alikes(
    specs: Sequence[StationSpec],
    *,
    seed: int,
    share_per_day: float,
    from_s: float,
    until_s: float,
    beside: Sequence[FaultPlan],
) -> tuple[FaultPlan, ...]:
    """Look-alikes of all kinds in turn, on stations that have no fault at that time (`beside`): so many that
    `share_per_day` of the stations see one each day."""
    rng = random.Random(f"spread-look-alikes/{seed}")
    ground = Ground(specs, rng)
    ground.take(beside)
    expected = share_per_day * len(specs) * (until_s - from_s) / _DAY_S
    count = max(round(expected), 1) if share_per_day > 0 else 0
    kinds = list(LOOK_ALIKES.values())
    turns = [kind for _ in range(count // len(kinds) + 1) for kind in rng.sample(kinds, len(kinds))][:count]
    plans = []
    for kind in sorted(turns, key=lambda kind: (not kind.whole_run, kind.whole_site is None)):  # the hardest first
        if kind.everywhere:
            plans.append(_everywhere(kind, specs, rng, from_s, until_s))
            continue
        if kind.whole_run:
            plan = ground.lay(kind, from_s, until_s - from_s)
        else:
            length_s = min(kind.lasts_s * rng.uniform(0.5, 1.5), 0.8 * (until_s - from_s))
            plan = ground.lay_within(kind, (from_s, until_s), length_s)
        if plan is not None:
            plans.append(plan)
    return tuple(sorted(plans, key=lambda plan: plan.since_s))


def _everywhere(
    kind: FaultKind, specs: Sequence[StationSpec], rng: random.Random, from_s: float, until_s: float
) -> FaultPlan:
    length_s = min(kind.lasts_s * rng.uniform(0.5, 1.5), 0.3 * (until_s - from_s))
    since_s = rng.uniform(from_s, until_s - length_s)
    plan = kind.plan(specs[0], rng, since_s, since_s + length_s)
    return msgspec.structs.replace(plan, also=tuple(spec.station_id for spec in specs[1:]))


def like_record(plan: FaultPlan) -> dict[str, Any]:
    """The ground truth of a look-alike, as TRUTH.json holds it. One of a whole site names no station, one of all
    sites no site either."""
    kind = LOOK_ALIKES[plan.fault]
    of_site = plan.asset.kind == "site"
    return {
        "look_alike": plan.fault,
        "station_id": "" if of_site or kind.everywhere else plan.station_id,
        "site_id": plan.asset.id if of_site and not kind.everywhere else "",
        "connector_id": plan.connector_id,
        "since": in_utc(plan.since_s),
        "until": in_utc(plan.until_s),
        "detail": plan.detail,
    }
