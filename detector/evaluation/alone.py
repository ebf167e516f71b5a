"""Why the forests, left alone, found nothing of a fault: what its sessions were to them, and to the decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from detector.evaluation.matching import Matched, Outcome, deadline
from detector.evaluation.truth import Fault, Truth
from detector.rules import anomaly
from detector.rules.anomaly import SessionScore

_LIMITS = anomaly.RULE.defaults()


class Blind(StrEnum):
    """Why, the first that applies."""

    LATE = "named after its deadline"
    ELSEWHERE = "laid to another asset"
    FEW = "met by fewer sessions or vehicles than a ticket takes"
    UNJUDGED = "no session of it was judged"
    USUAL = "its readings were as usual"
    MOMENTS = "odd for minutes, in no session for long enough"
    SOME = "odd in fewer sessions than a ticket takes"
    APART = "odd in enough sessions, of several connectors"
    STOOD = "odd in enough sessions, without a ticket of its own"


_OF_OUTCOME = {Outcome.LATE: Blind.LATE, Outcome.WRONG_ASSET: Blind.ELSEWHERE}


class Seen(NamedTuple):
    """One session as the forests saw it."""

    station_id: str
    connector_id: int
    score: SessionScore


def blindness(
    truth: Truth, alone: Matched, met: Mapping[int, tuple[int, int]], seen: Iterable[Seen]
) -> dict[int, Blind]:
    """Of each fault that showed and that they did not find. `alone`: what they found; `met`: by fault, how many
    sessions of how many vehicles there were in time."""
    at_station: dict[str, list[Seen]] = defaultdict(list)
    for one in sorted(seen, key=lambda one: one.score.since):
        at_station[one.station_id].append(one)
    found = {}
    for number, fault in enumerate(truth.faults):
        if fault.shown_at is None or alone.found_by[number] is not None:
            continue
        outcomes = {one.outcome for one in alone.judged if one.fault == number}
        named = next((blind for outcome, blind in _OF_OUTCOME.items() if outcome in outcomes), None)
        mine = [one for station_id in (fault.station_id, *fault.stations) for one in at_station[station_id]]
        found[number] = named or _of_sessions(met.get(number, (0, 0)), _in_time(fault, truth, mine))
    return found


def _in_time(fault: Fault, truth: Truth, seen: Sequence[Seen]) -> list[Seen]:
    until = min(fault.until or truth.until, deadline(fault))
    return [
        one
        for one in seen
        if fault.connector_id in (None, one.connector_id) and fault.since <= one.score.since < until
    ]


def _of_sessions(met: tuple[int, int], seen: list[Seen]) -> Blind:
    scores = [one.score for one in seen]
    if met[0] < _LIMITS["sessions"] or met[1] < _LIMITS["vehicles"]:
        return Blind.FEW
    if not scores:
        return Blind.UNJUDGED
    if not any(score.odd for score in scores):
        return Blind.MOMENTS if any(score.causes for score in scores) else Blind.USUAL
    if not _enough(scores):
        return Blind.SOME
    each: dict[tuple[str, int], list[SessionScore]] = defaultdict(list)
    for one in seen:
        each[one.station_id, one.connector_id].append(one.score)
    return Blind.STOOD if any(map(_enough, each.values())) else Blind.APART


def _enough(scores: list[SessionScore]) -> bool:
    """Whether the decision of `anomaly` would have been met, of sessions in the order of time."""
    telling = [score for score in scores if score.tells(_LIMITS["windows"])]
    of = int(_LIMITS["of_sessions"])
    for end in range(1, len(telling) + 1):
        odd = [score for score in telling[max(end - of, 0) : end] if score.odd]
        if len(odd) >= _LIMITS["sessions"] and len({score.vehicle for score in odd}) >= _LIMITS["vehicles"]:
            return True
    return False
