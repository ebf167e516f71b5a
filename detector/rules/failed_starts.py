"""Drivers come, plug in and identify, and nothing begins."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from math import comb
from typing import Any

import msgspec

from detector.attempts import Open, follow
from detector.attribution import attribute
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.vocabulary import Lean, look_up
from laddvakt.domain.attempts import ChargeAttempt, Outcome
from laddvakt.domain.tickets import Evidence, Finding, Severity

_MAX_VISITS = 16
_MAX_NAMED = 6
_SAID = {
    Outcome.NO_START: "accepted, no session began",
    Outcome.NO_POWER: "session without energy",
    Outcome.ERROR: "error",
    Outcome.CHARGED: "charged",
    Outcome.CUT_SHORT: "charged briefly",
}


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_ATTEMPTS = "no_attempts"  # nobody tried lately
    STARTS = "starts"  # attempts succeed often enough
    ONE_DRIVER = "one_driver"  # all that failed are one driver's
    IN_A_ROW = "in_a_row"  # several drivers failed one after the other
    UNLIKELY = "unlikely"  # too many of the last attempts failed to be chance


class Visit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Attempts of one driver within half an hour, and the best that came of them."""

    at: datetime
    driver: str  # pseudonym; "" unknown
    outcome: str
    code: str = ""


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last visits, oldest first, and the attempt that runs. `held`: a finding is due since."""

    visits: tuple[Visit, ...] = ()
    opened: Open | None = None
    held: bool = False

    @property
    def row(self) -> tuple[Visit, ...]:
        """The failed visits since the last good one."""
        last_good = max((i for i, v in enumerate(self.visits) if not Outcome(v.outcome).failed), default=-1)
        return self.visits[last_good + 1 :]


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    connector = subject.connector
    if connector is None or not connector.connector_id:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.NO_ATTEMPTS)
    opened, attempts = follow(
        memory.opened,
        subject.view,
        connector,
        subject.news.ended,
        start_within_s=thresholds["start_within_s"],
        now=now,
    )
    visits = memory.visits
    for attempt in attempts:
        visits = with_attempt(visits, attempt, thresholds)
    oldest = now - timedelta(hours=thresholds["window_h"])
    if visits and visits[0].at < oldest:
        visits = tuple(visit for visit in visits if visit.at >= oldest)
    memory, reason = _judge(Memory(visits=visits, opened=opened, held=memory.held), thresholds)
    return Verdict(
        standing=Standing.MET if memory.held else Standing.NOT_MET,
        reason=reason,
        memory=memory if memory != Memory() else None,
        check_at=memory.visits[0].at + timedelta(hours=thresholds["window_h"], seconds=1) if memory.held else None,
    )


def with_attempt(visits: tuple[Visit, ...], attempt: ChargeAttempt, thresholds: Thresholds) -> tuple[Visit, ...]:
    """One driver who tries again is one visit; only what tells of equipment or vehicle counts."""
    if not (attempt.outcome.failed or attempt.outcome.started):
        return visits
    visit = Visit(attempt.ended_at, attempt.driver, attempt.outcome.value, next(iter(attempt.errors), "")[:24])
    last = visits[-1] if visits else None
    if last is None or last.driver != visit.driver or attempt.started_at - last.at > _same_visit(thresholds):
        return (*visits[-(_MAX_VISITS - 1) :], visit)
    if attempt.outcome.failed and not Outcome(last.outcome).failed:
        return visits  # it charged before: what came after is no failed start of this visit
    return (*visits[:-1], visit)


def _same_visit(thresholds: Thresholds) -> timedelta:
    return timedelta(minutes=thresholds["same_visit_min"])


def _judge(memory: Memory, thresholds: Thresholds) -> tuple[Memory, Reason]:
    visits, row = memory.visits, memory.row
    if memory.held:
        good = visits[-int(thresholds["good"]) :]
        if not visits or (len(good) == thresholds["good"] and not any(Outcome(v.outcome).failed for v in good)):
            return Memory(visits=good, opened=memory.opened), Reason.STARTS
    if not visits:
        return memory, Reason.NO_ATTEMPTS
    failed = [visit for visit in visits if Outcome(visit.outcome).failed]
    drivers = thresholds["drivers"]
    in_a_row = len(row) >= thresholds["in_a_row"]
    unlikely = p_below(thresholds["success"], len(visits) - len(failed), len(failed)) > thresholds["posterior"]
    if in_a_row and len({visit.driver for visit in row}) >= drivers:
        return msgspec.structs.replace(memory, held=True), Reason.IN_A_ROW
    if unlikely and len({visit.driver for visit in failed}) >= drivers:
        return msgspec.structs.replace(memory, held=True), Reason.UNLIKELY
    if memory.held:
        return memory, Reason.UNLIKELY
    return memory, Reason.ONE_DRIVER if in_a_row or unlikely else Reason.STARTS


def p_below(success: float, good: int, failed: int) -> float:
    """P(true share of good starts < `success`) after so many, with a prior of Beta(3, 1), which is what a station
    gets the benefit of the doubt by: the regularised incomplete beta function, here a binomial sum."""
    a, b = good + 3, failed + 1
    n = a + b - 1
    return sum(comb(n, j) * success**j * (1 - success) ** (n - j) for j in range(a, n + 1))


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    failed = [visit for visit in memory.visits if Outcome(visit.outcome).failed]
    code = next((visit.code for visit in reversed(failed) if visit.code), "")
    known = look_up(code, (code,))[1] if code else None
    drivers = len({visit.driver for visit in failed})
    lean = known.lean if known is not None and known.lean is not Lean.LINK else None
    blame = attribute(subject, [visit.driver for visit in failed], now, lean=lean)
    cause = f"{known.title}. {known.cause}" if known is not None else _CAUSES[Outcome(failed[-1].outcome)]
    share = p_below(thresholds["success"], len(memory.visits) - len(failed), len(failed))
    return Finding(
        fault=RULE.code,
        asset=blame.asset,
        station_id=subject.view.station_id,
        connector_id=subject.connector_id,
        severity=RULE.severity,
        at=now,
        since=failed[0].at,
        probable_cause=cause,
        explanation=f"{len(failed)} of the last {len(memory.visits)} visits to {place(subject)} failed, "
        f"of {drivers} drivers.",
        suggested_action=known.remedy if known is not None else RULE.action,
        evidence=(
            Evidence(
                label="Failed in a row", value=str(len(memory.row)), threshold=f"{thresholds['in_a_row']:.0f}"
            ),
            Evidence(
                label=f"Chance that under {100 * thresholds['success']:.0f} % of starts succeed",
                value=f"{100 * share:.0f} %",
                threshold=f"{100 * thresholds['posterior']:.0f} %",
            ),
            *(
                Evidence(label="Failed visit", value=_words(visit), threshold="charged", at=visit.at)
                for visit in failed[-_MAX_NAMED:]
            ),
        ),
        mrec=tuple(known.mrec) if known is not None else RULE.mrec,
        confidence=blame.confidence,
        suspects=blame.suspects,
    )


_CAUSES = {
    Outcome.NO_START: "The station accepts drivers and does not begin: pilot, lock or its controller.",
    Outcome.NO_POWER: "Sessions begin and no energy flows: contactor, pre-charge, or talk with the vehicle fails.",
    Outcome.ERROR: "Each start ends in an error.",
}


def _words(visit: Visit) -> str:
    said = _SAID[Outcome(visit.outcome)]
    return f"{said} {visit.code}" if visit.code else said


RULE = Rule(
    code="failed_starts",
    title="Starts fail",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P2,
    mrec=("CX011", "CX012"),
    thresholds=(
        Threshold(name="in_a_row", default=3, unit="visits", doc="failed one after the other"),
        Threshold(name="drivers", default=2, unit="drivers", doc="so many must be among those that failed"),
        Threshold(name="success", default=0.6, unit="share", doc="a lower share of good starts is a fault"),
        Threshold(name="posterior", default=0.95, unit="probability", doc="how sure of that it must be"),
        Threshold(name="good", default=2, unit="visits", doc="good ones in a row that clear"),
        Threshold(
            name="same_visit_min", default=30, unit="min", doc="tries of one driver within it are one visit"
        ),
        Threshold(
            name="start_within_s",
            default=120,
            unit="s",
            doc="how long a start may take once plugged in and accepted",
        ),
        Threshold(name="window_h", default=168, unit="h", doc="how long a visit counts"),
    ),
    clears="Two visits in a row charge, or no visit within the window remains.",
    action="Try a start with a known good vehicle; read the diagnostics log; reset when idle.",
    doc=(
        "Three visits in a row fail, of two drivers or vehicles; or of the last 16 so many that the share of good "
        "starts is under 0.6 with a probability over 0.95. With g good and f failed visits that probability is "
        "the distribution function of Beta(3 + g, 1 + f) at 0.6 (conjugate prior of a binomial share; the prior "
        "Beta(3, 1) gives a station the benefit of the doubt). A visit is what one driver tries within "
        "30 minutes, and the best that came of it. Failed is: accepted and plugged in, "
        "but no session within 120 s; a session "
        "in which nothing flowed, or that the station itself ended before; an error code. Not counted: a token "
        "that was refused, a driver who left within a minute, a vehicle that was full or paused, a limit under "
        "6 A, a reset. One driver who tries again and again is one driver."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.EVENT, Wake.TOKEN, Wake.STARTED, Wake.ENDED, Wake.COMMAND}),
    inhibited_by=(
        "offline",
        "emergency_stop",
        "reported_fault",
        "no_power",
        "isolation",
        "rcd_trip",
        "pilot_proximity",
        "lock",
        "cut_cable",
        "stuck_preparing",
    ),
)
