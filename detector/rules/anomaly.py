"""A connector behaves unlike its own past and its peers, and no rule says why."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from detector.attribution import attribute
from detector.features import FEATURES, FEATURES_OF, Span
from detector.rules.base import (
    Rule,
    Scope,
    Standing,
    Subject,
    Threshold,
    Thresholds,
    Verdict,
    Wake,
    place,
)
from detector.rules.course import Course, carried_on, strongest
from detector.view import Cause, ScoredWindow
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Evidence, Finding, Severity

_SESSIONS_KEPT = 12
_WINDOWS_KEPT = 8
_DAYS_KEPT = 8
_WORTH_A_RATIO = 1.2
_NOTHING = 1e-4
_BEFORE = timedelta(hours=24)
"""A fault was there before it was found: what came this long before is its, too; as models learn."""

SEEN_BY_MODELS = frozenset(
    {
        "meter_drift",
        "module_loss",
        "no_energy_sessions",
        "no_power",
        "phase_imbalance",
        "phase_loss",
        "plug_overheat",
        "plug_resistance",
        "power_mismatch",
        "supply_resistance",
        "thermal_derate",
        "failed_starts",
    }
)
"""Faults that features of the models show."""


BESIDE_CHARGING = frozenset(
    {
        "clock_drift",
        "flapping",
        "non_conforming",
        "offline",
        "payment_fault",
        "reader_fault",
        "silent_station",
        "site_outage",
    }
)
"""Faults that make no session odd. All others do, or may: when one of them is over, the odd sessions were its."""


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOTHING_SCORED = "nothing_scored"  # no model yet, or no charging
    USUAL = "usual"  # like its past and its peers
    SOME_SESSIONS = "some_sessions"  # odd, but not in enough sessions
    ONE_VEHICLE = "one_vehicle"  # odd with one vehicle only: evidence about the vehicle
    UNUSUAL = "unusual"  # odd in several sessions of several vehicles
    STEADY = "steady"  # one feature a little off in many sessions, always to the same side
    OF_THE_SITE = "of_the_site"  # odd by the supply, as others of the site are
    NOT_SINCE = "not_since"  # odd before a fault that is over, and not since
    UNUSUAL_DAYS = "unusual_days"  # odd on several days that had sessions of several vehicles


_IS_OVER = frozenset({Reason.USUAL, Reason.SOME_SESSIONS})


class SessionScore(msgspec.Struct, frozen=True, omit_defaults=True):
    """One session as the models saw it: its windows and, once it is over, the session as a whole."""

    transaction: str
    vehicle: str
    since: datetime
    flags: tuple[bool, ...] = ()
    odd: bool = False
    judged: bool = False  # as a whole
    causes: tuple[Cause, ...] = ()
    p_value: float = 1.0

    def tells(self, windows: float) -> bool:
        """Whether it was long enough to tell."""
        return self.odd or self.judged or len(self.flags) >= windows


class DayScore(msgspec.Struct, frozen=True, omit_defaults=True):
    """One day as the model saw it."""

    since: datetime
    odd: bool
    causes: tuple[Cause, ...] = ()


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last sessions and days, the newest last, and what has added up since."""

    sessions: tuple[SessionScore, ...] = ()
    days: tuple[DayScore, ...] = ()
    courses: tuple[Course, ...] = ()
    accounted: datetime | None = None  # what began before is accounted for by a fault that is over
    met: bool = False  # what is kept made a finding, or would have


class _Case(NamedTuple):
    """What speaks for a finding."""

    since: datetime
    until: datetime  # when the newest of it began
    causes: tuple[Cause, ...]
    sessions: int
    of: tuple[str, ...]  # the vehicles, the oldest first
    days: int = 0  # where it is days that are odd

    @property
    def vehicles(self) -> int:
        return len(set(self.of))


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    for row in subject.news.scored:
        if memory.accounted is None or row.start >= memory.accounted:
            memory = _take(memory, row, thresholds)
    reason, case = _judged(memory, thresholds)
    if case is not None and _of_the_site(subject, case, thresholds):
        reason, case = Reason.OF_THE_SITE, None
    elif case is not None and memory.accounted is not None and case.until < memory.accounted:
        reason, case = Reason.NOT_SINCE, None
    elif memory.met and reason in _IS_OVER:
        memory = _over(memory)
    if case is None:
        return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory)
    if not memory.met:
        memory = msgspec.structs.replace(memory, met=True)
    return Verdict(standing=Standing.MET, reason=reason, variant=_main_cause(case.causes), memory=memory)


def _over(memory: Memory) -> Memory:
    """Charging is usual again: what was odd before that is no evidence of what comes now."""
    return Memory(
        sessions=tuple(session for session in memory.sessions if not session.odd),
        days=tuple(day for day in memory.days if not day.odd),
        accounted=memory.accounted,
    )


def _spent_by(fault: str) -> bool:
    return fault not in BESIDE_CHARGING and fault != RULE.code


def _forget(memory: Any, since: datetime | None, until: datetime) -> Memory:
    """Without what was odd by a fault, and the sums that it added to; what began before it was over does not count
    either, as a day told later. What was usual meanwhile stays, lest what was odd long before be the newest."""
    if not isinstance(memory, Memory) or since is None:
        return Memory(accounted=until)
    before = since - _BEFORE
    return Memory(
        sessions=tuple(one for one in memory.sessions if not one.odd or one.since < before),
        days=tuple(day for day in memory.days if not day.odd or day.since + timedelta(days=1) <= before),
        courses=tuple(course for course in memory.courses if (course.grown_at or course.since) < before),
        accounted=until,
    )


def _of_the_site(subject: Subject, case: _Case, thresholds: Thresholds) -> bool:
    """Whether the supply stands out, and at as many of the site's other bays as not that charged meanwhile."""
    if not _by_supply(case.causes):
        return False
    since = case.since - _BEFORE
    odd = [
        any(session.odd and _by_supply(session.causes) for session in meanwhile)
        or any(
            FEATURES[course.feature].shared and course.weight >= thresholds["steady"] / 2
            for course in other.courses
        )
        for other in subject.network.remembered(subject.view, RULE.code)
        if (meanwhile := [session for session in other.sessions if session.since >= since])
    ]
    return any(odd) and 2 * sum(odd) >= len(odd)


def _by_supply(causes: tuple[Cause, ...]) -> bool:
    return bool(causes) and FEATURES[causes[0].feature].shared


def _judged(memory: Memory, thresholds: Thresholds) -> tuple[Reason, _Case | None]:
    if not memory.sessions and not memory.days:
        return Reason.NOTHING_SCORED, None
    odd = _odd(memory, thresholds)
    of = tuple(session.vehicle for session in odd)
    if len(odd) >= thresholds["sessions"] and len(set(of)) >= thresholds["vehicles"]:
        causes = min(odd[-int(thresholds["sessions"]) :], key=lambda session: session.p_value).causes
        return Reason.UNUSUAL, _Case(odd[0].since, odd[-1].since, causes, len(odd), of)
    days = [day for day in memory.days[-int(thresholds["of_days"]) :] if day.odd]
    if len(days) >= thresholds["days"]:
        case = _of_days(memory, days)
        if case.sessions >= thresholds["sessions"] and case.vehicles >= thresholds["vehicles"]:
            return Reason.UNUSUAL_DAYS, case
    course = strongest(memory.courses)
    if course is not None and course.weight >= thresholds["steady"] and course.seen >= thresholds["sessions"]:
        return Reason.STEADY, _of_course(course)
    if len(odd) >= thresholds["sessions"]:
        return Reason.ONE_VEHICLE, None
    return (Reason.SOME_SESSIONS if odd or days else Reason.USUAL), None


def _of_days(memory: Memory, days: list[DayScore]) -> _Case:
    """Odd days count with the sessions that they had."""
    meanwhile = [session for session in memory.sessions if session.since >= days[0].since]
    of = tuple(session.vehicle for session in meanwhile)
    return _Case(days[0].since, days[-1].since, days[-1].causes, len(meanwhile), of, len(days))


def _of_course(course: Course) -> _Case:
    causes = () if course.cause is None else (course.cause,)
    days = course.seen if course.feature in FEATURES_OF[Span.DAY] else 0
    return _Case(course.since, course.grown_at or course.since, causes, course.seen, tuple(course.of), days)


def _odd(memory: Memory, thresholds: Thresholds) -> list[SessionScore]:
    """The odd ones of the last sessions that were long enough to tell."""
    telling = [session for session in memory.sessions if session.tells(thresholds["windows"])]
    return [session for session in telling[-int(thresholds["of_sessions"]) :] if session.odd]


def _take(memory: Memory, row: ScoredWindow, thresholds: Thresholds) -> Memory:
    if row.leans:
        courses = carried_on(memory.courses, row, _whose(memory, row))
        memory = msgspec.structs.replace(memory, courses=courses)
    if row.span == Span.DAY:
        day = DayScore(row.start, row.flagged, row.causes)
        return msgspec.structs.replace(memory, days=(*memory.days[-(_DAYS_KEPT - 1) :], day))
    sessions = memory.sessions
    known = next((n for n, s in enumerate(sessions) if s.transaction == row.transaction_id), None)
    if known is None:
        new = SessionScore(row.transaction_id, row.vehicle, row.start)
        sessions = (*sessions[-(_SESSIONS_KEPT - 1) :], new)
        known = len(sessions) - 1
    session = _with(sessions[known], row, thresholds)
    return msgspec.structs.replace(memory, sessions=(*sessions[:known], session, *sessions[known + 1 :]))


def _whose(memory: Memory, row: ScoredWindow) -> str:
    """Whose evidence a row is: the vehicle's; of a day with several vehicles, the day's own."""
    if row.span != Span.DAY:
        return row.vehicle
    then = {s.vehicle for s in memory.sessions if row.start <= s.since < row.start + timedelta(days=1)}
    return row.transaction_id if len(then) > 1 else next(iter(then), "")


def _with(session: SessionScore, row: ScoredWindow, thresholds: Thresholds) -> SessionScore:
    """The session with one more judgement."""
    if row.span == Span.SESSION:
        session = msgspec.structs.replace(session, judged=True, odd=session.odd or row.flagged)
    else:
        flags = (*session.flags[-(_WINDOWS_KEPT - 1) :], row.flagged)
        odd = session.odd or sum(flags[-int(thresholds["of_windows"]) :]) >= thresholds["windows"]
        session = msgspec.structs.replace(session, flags=flags, odd=odd)
    worse = row.flagged and (not session.causes or row.p_value < session.p_value)
    return msgspec.structs.replace(
        session,
        causes=row.causes if worse else session.causes,
        p_value=min(session.p_value, row.p_value),
    )


def _main_cause(causes: tuple[Cause, ...]) -> str:
    return causes[0].feature if causes else ""


def in_words(cause: Cause) -> str:
    """`plug heat over current squared is 2.4 times normal for this model at 28 A (50.4 against 21.0 mK/A2)`, or
    `voltage is 4.2 deviations below normal for this connector ...`, or `ended by the equipment, unusual for this
    model`. A deviation is 1.4826 MAD of like rows."""
    feature, whose = FEATURES[cause.feature], cause.against or "this model"
    if feature.yes_no:
        return f"{feature.label}, unusual for {whose}"
    value, normal = feature.shown(cause.value), feature.shown(cause.normal)
    at = f" at {cause.current_a:.0f} A" if cause.current_a else ""
    verb = "are" if feature.counts or feature.many else "is"
    how = f"{abs(cause.z):.1f} deviations {'above' if cause.z > 0 else 'below'}"
    if feature.ratio and normal > 0 and value >= _WORTH_A_RATIO * normal:
        how = f"{value / normal:.1f} times"
    unit = f" {feature.unit}" if feature.unit else ""
    return (
        f"{feature.label} {verb} {how} normal for {whose}{at} ({_number(value)} against {_number(normal)}{unit})"
    )


def _number(value: float) -> str:
    """Four digits; what is as good as nothing is 0."""
    return f"{0.0 if abs(value) < _NOTHING else value:.4g}"


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    _, case = _judged(memory or Memory(), thresholds)
    case = case or _Case(now, now, (), 0, ())
    feature = FEATURES.get(_main_cause(case.causes))
    lean = Lean(feature.asset) if feature is not None and feature.asset else None
    blame = attribute(subject, case.of, now, lean=lean)
    words = in_words(case.causes[0]) if case.causes else "several readings together are unusual"
    when = f"on {case.days} days" if case.days else f"in {case.sessions} sessions of {case.vehicles} vehicles"
    return RULE.finding(
        subject,
        now,
        blame=blame,
        since=case.since,
        probable_cause=f"Not known; what stands out: {words}.",
        explanation=f"{place(subject)} behaved unusually {when}: {words}.",
        suggested_action=feature.remedy if feature is not None else RULE.action,
        evidence=tuple(_evidence(cause, case.since) for cause in case.causes),
        confidence=min(0.5, blame.confidence),  # whatever it lies in, a model alone is half sure at most
    )


def _evidence(cause: Cause, at: datetime) -> Evidence:
    feature = FEATURES[cause.feature]
    return Evidence(
        label=feature.label,
        value=f"{feature.shown(cause.value):.4g} {feature.unit}".strip(),
        threshold=f"normal {feature.shown(cause.normal):.4g}",
        peers=f"{cause.z:+.1f} deviations; {cause.share * 100:.0f} % of the score",
        at=at,
    )


def second_opinion(finding: Finding, memory: Any, thresholds: Thresholds) -> Finding:
    """A rule's finding about what charging looks like, with what the models make of the same connector: each odd
    session of the last ones doubles the odds, up to eightfold; six that are usual halve them. What a station
    reports itself, and what its link does, is as sure as it was."""
    if finding.fault not in SEEN_BY_MODELS or not isinstance(memory, Memory) or not 0 < finding.confidence < 1:
        return finding
    of = int(thresholds["of_sessions"])
    telling = [session for session in memory.sessions if session.tells(thresholds["windows"])][-of:]
    odd = sum(session.odd for session in telling)
    if not odd and len(telling) < of:
        return finding
    odds = finding.confidence / (1 - finding.confidence) * (2.0 ** min(odd, 3) if odd else 0.5)
    said = Evidence(
        label="isolation forest", value=f"{odd} of the last {len(telling)} sessions unusual", at=finding.at
    )
    return msgspec.structs.replace(
        finding, confidence=round(odds / (1 + odds), 3), evidence=(*finding.evidence, said)
    )


RULE = Rule(
    code="anomaly",
    title="Unusual charging",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P4,
    mrec=(),
    thresholds=(
        Threshold(
            name="windows", default=3, unit="windows", doc="flagged 5-minute windows that make a session odd"
        ),
        Threshold(name="of_windows", default=5, unit="windows", doc="consecutive windows they must be among"),
        Threshold(name="sessions", default=3, unit="sessions", doc="odd sessions that make a finding"),
        Threshold(name="of_sessions", default=6, unit="sessions", doc="last sessions they must be among"),
        Threshold(name="vehicles", default=2, unit="vehicles", doc="vehicles they must be of"),
        Threshold(
            name="steady",
            default=7,
            unit="nats",
            doc="what one feature's deviations to one side add up to, without the vehicle that shows them most",
        ),
        Threshold(name="days", default=5, unit="days", doc="odd days that make a finding"),
        Threshold(name="of_days", default=5, unit="days", doc="last days they must be among"),
    ),
    clears=(
        "Fewer than 3 of the last 6 sessions, and not each of the last 5 days, are odd, and usual sessions have "
        "worn down what had added up."
    ),
    action="Watch it; compare with its neighbours at the next visit.",
    doc=(
        "Isolation forests find 3 of the last 6 sessions odd, with 2 vehicles: by 3 of 5 windows of five minutes, "
        "or the session as a whole; or they find each of the last 5 days odd, with 3 sessions and 2 vehicles; or "
        "one feature is a little off in session after session, always to the same side, until it adds up. "
        "They compare with the connector's own past, its model and the fleet under like conditions. Held back "
        "while a rule names a fault of the station; what that fault brought is forgotten when it is over, unless "
        "it was of a kind that makes no session odd (the link, the clock, the cards, nobody who came). What was "
        "odd before that fault is told only when something is odd after it as well, and what usual sessions have "
        "taken away never again. What the supply does (voltage, power per ampere) is not told of a station while "
        "every second bay of its site that charged has it too. Never more urgent than P4."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SCORED}),
    inhibited_by=("*",),
    spent_by=_spent_by,
    forget=_forget,
    absorbed_by=tuple(sorted(SEEN_BY_MODELS)),
)
