"""What became of every fault, and what was really the matter with every false ticket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

import msgspec

from detector.evaluation.alone import Blind
from detector.evaluation.classes import AFTER_END, grading
from detector.evaluation.figures import beyond_s
from detector.evaluation.matching import Matched, Outcome, touches
from detector.evaluation.truth import Fault, Truth

ECHO = timedelta(days=7)
"""A ticket about nothing this long after a fault of the same station is taken to say what that fault did."""


class Why(StrEnum):
    """Why a fault was missed, as far as a machine can tell."""

    LATE = "named after its deadline"
    ELSEWHERE = "laid to another asset"
    OTHERWISE = "a ticket there named something else"
    FEW = "met by fewer sessions or vehicles than the catalogue asks for"
    UNSURE = "nobody was convinced"


_OF_OUTCOME = {
    Outcome.LATE: Why.LATE,
    Outcome.WRONG_ASSET: Why.ELSEWHERE,
    Outcome.OTHER_NAME: Why.OTHERWISE,
}


class Fate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault that showed. `sessions` and `vehicles`: that began where it was, while it lasted and a ticket was
    in time. `ticket`: the code that found it; None: missed, and `why`. `held`: what its rule answered
    meanwhile, where it was listened to. `alone`: the ways without rules that found it; `blind`: why the forests by
    themselves did not. Times in seconds."""

    seed: int
    fault: str
    detail: str = ""
    strength: float
    asset: str
    id: str
    lasted_s: float | None = None  # None: to the end
    sessions: int
    vehicles: int
    enough: bool  # at least as many as the catalogue asks for
    ticket: str | None = None
    delay_s: float | None = None
    beyond_s: float | None = None  # of a hard fault: after its proof
    why: Why | None = None
    near: tuple[str, ...] = ()  # the other tickets about it
    held: str = ""
    alone: tuple[str, ...] = ()
    blind: Blind | None = None


class Needless(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One false ticket. `really`: the fault or look-alike that was there; for a ticket about nothing, the fault of
    this station that was over since `over_s`, if any was."""

    seed: int
    code: str
    severity: str
    asset: str
    id: str
    outcome: Outcome
    really: str = ""
    detail: str = ""
    strength: float | None = None
    over_s: float | None = None
    at: datetime
    says: str


def fates(
    truth: Truth,
    matched: Matched,
    sessions: Mapping[int, tuple[int, int]],
    held: Callable[[int], str],
    alone: Mapping[str, Matched],
    blind: Mapping[int, Blind] = MappingProxyType({}),
) -> Iterator[Fate]:
    """Of each fault that showed. `sessions`: by fault, how many sessions of how many vehicles met it in time."""
    for number, fault in enumerate(truth.faults):
        if fault.shown_at is None:
            continue
        seen, vehicles = sessions.get(number, (0, 0))
        ticket = matched.found_by[number]
        enough = _enough(fault, seen, vehicles)
        yield Fate(
            seed=truth.seed,
            fault=fault.fault,
            detail=fault.detail,
            strength=round(fault.strength, 2),
            asset=fault.asset.kind,
            id=fault.asset.id,
            lasted_s=None if fault.until is None else (fault.until - fault.shown_at).total_seconds(),
            sessions=seen,
            vehicles=vehicles,
            enough=enough,
            ticket=ticket.fault if ticket else None,
            delay_s=max((ticket.opened_at - fault.shown_at).total_seconds(), 0.0) if ticket else None,
            beyond_s=beyond_s(fault, ticket) if ticket else None,
            why=None if ticket else _why(number, matched, enough=enough),
            near=() if ticket else tuple(_near(number, matched)),
            held="" if ticket else held(number),
            alone=tuple(way for way, found in alone.items() if found.found_by[number] is not None),
            blind=blind.get(number),
        )


def _enough(fault: Fault, sessions: int, vehicles: int) -> bool:
    graded = grading(fault.fault)
    return sessions >= graded.sessions and vehicles >= graded.vehicles


def _why(number: int, matched: Matched, *, enough: bool) -> Why:
    outcomes = {one.outcome for one in matched.judged if one.fault == number}
    named = next((why for outcome, why in _OF_OUTCOME.items() if outcome in outcomes), None)
    if named in (Why.LATE, Why.ELSEWHERE):
        return named
    return named or (Why.UNSURE if enough else Why.FEW)


def _near(number: int, matched: Matched) -> Iterator[str]:
    for one in matched.judged:
        if one.fault == number:
            yield f"{one.outcome}: {one.alarm.fault} on {one.alarm.asset.kind} {one.alarm.asset.id}"


def needless(truth: Truth, matched: Matched, site_of: Mapping[str, str]) -> Iterator[Needless]:
    """Of each false ticket, what was really the matter."""
    for one in matched.false:
        alarm, really, detail, strength, over_s = one.alarm, "", "", None, None
        fault = None if one.fault is None else truth.faults[one.fault]
        if one.look_alike is not None:
            like = truth.look_alikes[one.look_alike]
            really, detail = like.look_alike, like.detail
        elif one.outcome is Outcome.NOTHING_THERE:
            ended = [
                (alarm.opened_at - before.until, number)
                for number, before in enumerate(truth.faults)
                if before.until is not None
                and AFTER_END < alarm.opened_at - before.until <= ECHO
                and touches(before, alarm, site_of)
            ]
            if ended:
                ago, number = min(ended)
                fault, over_s = truth.faults[number], ago.total_seconds()
        if fault is not None:
            really, detail, strength = fault.fault, fault.detail, round(fault.strength, 2)
        yield Needless(
            seed=truth.seed,
            code=alarm.fault,
            severity=alarm.severity,
            asset=alarm.asset.kind,
            id=alarm.asset.id,
            outcome=one.outcome,
            really=really,
            detail=detail,
            strength=strength,
            over_s=over_s,
            at=alarm.opened_at,
            says=alarm.says,
        )
