"""Which faults strike a fleet, and when. Pure and seeded."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from laddvakt.domain.times import rfc3339
from simulator.faults import KINDS, FaultKind, FaultPlan
from simulator.faults.ground import Ground
from simulator.faults.shown import Said
from simulator.spec import StationSpec

_DAY_S = 86_400.0
_SHORTER = (1.0, 0.7, 0.5, 0.35)  # shares of a length that are tried where there is little room


def spread_faults(
    specs: Sequence[StationSpec], *, seed: int, share_per_day: float, from_s: float, until_s: float
) -> tuple[FaultPlan, ...]:
    """Faults of all kinds in turn, spread evenly at random over a time; `share_per_day` of the stations strike
    each day. At least one when the share is not 0. A station has one fault at a time."""
    rng = random.Random(f"faults/{seed}")
    expected = share_per_day * len(specs) * (until_s - from_s) / _DAY_S
    count = max(round(expected), 1) if share_per_day > 0 else 0
    onsets = sorted(rng.uniform(from_s + 0.02 * (until_s - from_s), until_s) for _ in range(count))
    return _assign(specs, rng, onsets, _shuffled(rng), length_factor=1.0)


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
    others = [kind for kind in _shuffled(rng) if kind.code != "reported_fault"]
    kinds = [KINDS["reported_fault"], *others]
    return _assign(specs, rng, [first_s, *onsets], kinds, length_factor=1 / speed)


def _shuffled(rng: random.Random) -> list[FaultKind]:
    return rng.sample(list(KINDS.values()), len(KINDS))


def lay_faults(
    specs: Sequence[StationSpec],
    *,
    seed: int,
    codes: Sequence[str],
    count: int,
    from_s: float,
    until_s: float,
    strength: tuple[float, float] = (0.0, 1.0),
    length_factor: float = 1.0,
    among: Mapping[str, FaultKind] = KINDS,
    beside: Sequence[FaultPlan] = (),
) -> tuple[FaultPlan, ...]:
    """`count` faults, of these codes in turn, on stations that can have them, with strengths drawn evenly within
    bounds. Each lasts about its typical length times `length_factor`, less where the fleet is crowded, and begins
    and ends within the time given; no station has two at a time. Fewer than `count` where there is no room at
    all, nor beside what is there already (`beside`). Raises KeyError for an unknown code.
    """
    rng = random.Random(f"lay/{seed}")
    ground, within = Ground(specs, rng), (from_s, until_s)
    ground.take(beside)
    kinds = [among[codes[index % len(codes)]] for index in range(count)]
    plans = []
    for kind in sorted(kinds, key=lambda kind: _ease(ground, kind)):  # the hardest to place come first
        length_s = min(kind.lasts_s * rng.uniform(0.5, 1.5) * length_factor, 0.8 * (until_s - from_s))
        strong = rng.uniform(*strength)
        plan = None
        for shorter in _SHORTER:
            plan = plan or ground.lay_within(kind, within, length_s * shorter, strength=strong)
        if plan is not None:
            plans.append(plan)
    return tuple(sorted(plans, key=lambda plan: plan.since_s))


def _ease(ground: Ground, kind: FaultKind) -> tuple[bool, float]:
    """What strikes whole sites, lasts long and fits few stations is hard to place."""
    return kind.whole_site is None, ground.room(kind) / kind.lasts_s


def _assign(
    specs: Sequence[StationSpec],
    rng: random.Random,
    onsets: Sequence[float],
    kinds: Sequence[FaultKind],
    *,
    length_factor: float,
) -> tuple[FaultPlan, ...]:
    """Kinds in turn; where no station can have one, the next in turn."""
    ground = Ground(specs, rng, rest_s=3600 * length_factor)
    turn = itertools.cycle(kinds)
    plans = []
    for since_s in onsets:
        for kind in itertools.islice(turn, len(kinds)):
            plan = ground.lay(kind, since_s, kind.lasts_s * rng.uniform(0.5, 1.5) * length_factor)
            if plan is not None:
                plans.append(plan)
                break
    return tuple(plans)


def shows(plan: FaultPlan, action: str, payload: dict[str, Any], at_s: float) -> bool:
    """Whether a message shows this fault while it lasts. `action` is a request's, or `mqtt/meter` and
    `mqtt/telemetry` for those of devices, whose payload then names the connector as `connectorId`."""
    way = KINDS[plan.fault].shows
    if way is None or at_s < plan.since_s or plan.over(at_s):
        return False
    said = Said(action, payload)
    return plan.connector_id in (None, said.connector_id) and way(plan, said)


def of_device(topic: str, payload: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """An MQTT message as `shows` takes it: what it is, and its payload with the connector."""
    *_, connector, what = topic.split("/")
    number = int(connector) if connector.isdigit() else None
    return f"mqtt/{what}", {**payload, "connectorId": number}


def truth_record(plan: FaultPlan, *shown_s: float) -> dict[str, Any]:
    """The ground truth of a fault, as TRUTH.json holds it. `shown_at` is when the station first sent something
    that the fault had changed (None: never, nobody could have seen it), `shown_again` the next few times;
    `full_at` when the fault had grown to its strength; `stations` all that it strikes."""
    return {
        "fault": plan.fault,
        "asset": {"kind": plan.asset.kind, "id": plan.asset.id},
        "station_id": plan.station_id if plan.asset.kind != "site" else "",
        "connector_id": plan.connector_id,
        "stations": list(plan.stations),
        "since": in_utc(plan.since_s),
        "full_at": in_utc(plan.since_s + plan.onset_s),
        "until": in_utc(plan.until_s),
        "shown_at": in_utc(shown_s[0]) if shown_s else None,
        "shown_again": [in_utc(at_s) for at_s in shown_s[1:]],
        "strength": round(plan.strength, 3),
        "detail": plan.detail,
    }


def in_utc(at_s: float | None) -> str | None:
    """RFC 3339."""
    return rfc3339(datetime.fromtimestamp(at_s, UTC)) if at_s is not None else None
