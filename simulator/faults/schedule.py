"""Which faults strike a fleet, and when. Pure and seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from laddvakt.domain.times import rfc3339
from simulator.faults import KINDS, FaultKind, FaultPlan
from simulator.spec import StationSpec

_DAY_S = 86_400.0
_TYPICAL_S = {
    "reported_fault": 6 * 3600.0,
    "no_power": 10 * 3600.0,
    "offline": 2 * 3600.0,
    "meter_rollback": _DAY_S,
}


def spread_faults(
    specs: Sequence[StationSpec], *, seed: int, share_per_day: float, from_s: float, until_s: float
) -> tuple[FaultPlan, ...]:
    """Faults of all kinds in turn, spread evenly at random over a time; `share_per_day` of the stations strike
    each day. At least one when the share is not 0. A station has one fault at a time."""
    rng = random.Random(f"faults/{seed}")
    expected = share_per_day * len(specs) * (until_s - from_s) / _DAY_S
    count = max(round(expected), 1) if share_per_day > 0 else 0
    onsets = sorted(rng.uniform(from_s + 0.02 * (until_s - from_s), until_s) for _ in range(count))
    return _assign(specs, rng, onsets, list(KINDS.values()), length_factor=1.0)


def live_faults(
    specs: Sequence[StationSpec],
    *,
    seed: int,
    share: float,
    now_s: float,
    first_after_s: tuple[float, float],
    speed: float,
) -> tuple[FaultPlan, ...]:
    """Faults for somebody who watches: a reported one soon, which lasts; the first share of the stations
    within half an hour; after that the same share each day, for thirty days."""
    if share <= 0 or not specs:
        return ()
    rng = random.Random(f"live-faults/{seed}/{now_s}")
    early = max(round(share * len(specs)), 1)
    first_s = now_s + rng.uniform(*first_after_s) / speed
    onsets = sorted(first_s + rng.uniform(60, 1800) / speed for _ in range(early - 1))
    later = round(share * len(specs) * 30)
    onsets += sorted(now_s + rng.uniform(0.1, 30) * _DAY_S / speed for _ in range(later))
    kinds = list(KINDS.values())
    return _assign(specs, rng, [first_s, *onsets], kinds, length_factor=1 / speed)


def _assign(
    specs: Sequence[StationSpec],
    rng: random.Random,
    onsets: Sequence[float],
    kinds: Sequence[FaultKind],
    *,
    length_factor: float,
) -> tuple[FaultPlan, ...]:
    busy_until = dict.fromkeys((spec.station_id for spec in specs), 0.0)
    plans: list[FaultPlan] = []
    for index, since_s in enumerate(onsets):
        kind = kinds[index % len(kinds)]
        free = [spec for spec in specs if busy_until[spec.station_id] < since_s]
        if not free:
            continue
        length_s = _TYPICAL_S[kind.code] * rng.uniform(0.5, 1.5) * length_factor
        plan = kind.plan(rng.choice(free), rng, since_s, since_s + length_s)
        busy_until[plan.station_id] = since_s + length_s + 3600 * length_factor
        plans.append(plan)
    return tuple(plans)


def shows(plan: FaultPlan, action: str, payload: dict[str, Any], at_s: float) -> bool:
    """Whether a request is the kind that shows this fault while it lasts."""
    during = plan.since_s <= at_s and (plan.until_s is None or at_s < plan.until_s)
    return during and action in KINDS[plan.fault].shown_by and _connector(payload) == plan.connector_id


def _connector(payload: dict[str, Any]) -> object:
    """The connector's number in 1.6; in 2.x that of its EVSE, which has one connector."""
    evse = payload.get("evse")
    return evse.get("id") if isinstance(evse, dict) else payload.get("evseId", payload.get("connectorId"))


def truth_record(plan: FaultPlan, shown_s: float | None) -> dict[str, Any]:
    """The ground truth of a fault, as TRUTH.json holds it. `shown_s` is when the station first sent something
    that the fault had changed; None: never, nobody could have seen it."""
    return {
        "fault": plan.fault,
        "asset": {"kind": plan.asset.kind, "id": plan.asset.id},
        "station_id": plan.station_id,
        "connector_id": plan.connector_id,
        "since": rfc3339(datetime.fromtimestamp(plan.since_s, UTC)),
        "until": rfc3339(datetime.fromtimestamp(plan.until_s, UTC)) if plan.until_s is not None else None,
        "shown_at": rfc3339(datetime.fromtimestamp(shown_s, UTC)) if shown_s is not None else None,
        "strength": round(plan.strength, 3),
        "detail": plan.detail,
    }
