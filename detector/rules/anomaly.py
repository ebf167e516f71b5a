"""A connector behaves unlike its own past and its peers, and no rule says why."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from detector.assets import cable_asset, station_asset
from detector.features import FEATURES
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
from detector.view import Cause, ScoredWindow
from laddvakt.domain.tickets import Evidence, Finding, Severity

_SESSIONS_KEPT = 12
_WINDOWS_KEPT = 8


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOTHING_SCORED = "nothing_scored"  # no model yet, or no charging
    USUAL = "usual"  # like its past and its peers
    SOME_SESSIONS = "some_sessions"  # odd, but not in enough sessions
    ONE_VEHICLE = "one_vehicle"  # odd with one vehicle only: evidence about the vehicle
    UNUSUAL = "unusual"  # odd in several sessions of several vehicles


class SessionScore(msgspec.Struct, frozen=True):
    """One session as the model saw it."""

    transaction: str
    vehicle: str
    since: datetime
    flags: tuple[bool, ...] = ()
    odd: bool = False
    causes: tuple[Cause, ...] = ()
    p_value: float = 1.0


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last sessions, the running one last."""

    sessions: tuple[SessionScore, ...] = ()


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    for window in subject.news.scored:
        memory = _take(memory, window, thresholds)
    if not memory.sessions:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.NOTHING_SCORED, memory=memory)
    odd = _odd(memory, thresholds)
    if len(odd) < thresholds["sessions"]:
        reason = Reason.SOME_SESSIONS if odd else Reason.USUAL
        return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory)
    if len({session.vehicle for session in odd}) < thresholds["vehicles"]:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.ONE_VEHICLE, memory=memory)
    return Verdict(
        standing=Standing.MET, reason=Reason.UNUSUAL, variant=_main_cause(odd[-1].causes), memory=memory
    )


def _odd(memory: Memory, thresholds: Thresholds) -> list[SessionScore]:
    """The odd ones of the last sessions that were long enough to tell."""
    long_enough = [s for s in memory.sessions if s.odd or len(s.flags) >= thresholds["windows"]]
    return [session for session in long_enough[-int(thresholds["of_sessions"]) :] if session.odd]


def _take(memory: Memory, window: ScoredWindow, thresholds: Thresholds) -> Memory:
    sessions = memory.sessions
    if not sessions or sessions[-1].transaction != window.transaction_id:
        new = SessionScore(window.transaction_id, window.vehicle, window.start)
        sessions = (*sessions[-(_SESSIONS_KEPT - 1) :], new)
    session = sessions[-1]
    flags = (*session.flags[-(_WINDOWS_KEPT - 1) :], window.flagged)
    odd = session.odd or sum(flags[-int(thresholds["of_windows"]) :]) >= thresholds["windows"]
    worse = window.flagged and (not session.causes or window.p_value < session.p_value)
    session = msgspec.structs.replace(
        session,
        flags=flags,
        odd=odd,
        causes=window.causes if worse else session.causes,
        p_value=min(session.p_value, window.p_value),
    )
    return msgspec.structs.replace(memory, sessions=(*sessions[:-1], session))


def _main_cause(causes: tuple[Cause, ...]) -> str:
    return causes[0].feature if causes else ""


def in_words(cause: Cause) -> str:
    """`plug heat over current squared is 4.2 deviations above normal for this model at 28 A (34.1 against
    21.0 mK/A2)`. A deviation is 1.4826 MAD of like windows."""
    feature = FEATURES[cause.feature]
    side = "above" if cause.z > 0 else "below"
    unit = f" {feature.unit}" if feature.unit else ""
    return (
        f"{feature.label} is {abs(cause.z):.1f} deviations {side} normal for this model "
        f"at {cause.current_a:.0f} A ({cause.value:.4g} against {cause.normal:.4g}{unit})"
    )


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    odd = _odd(memory, thresholds)
    causes = odd[-1].causes
    feature = FEATURES.get(_main_cause(causes))
    cable = feature is not None and feature.asset == "cable"
    vehicles = len({session.vehicle for session in odd})
    words = in_words(causes[0]) if causes else "several readings together are unusual"
    return Finding(
        fault=RULE.code,
        asset=cable_asset(subject) if cable else station_asset(subject),
        station_id=subject.view.station_id,
        connector_id=subject.connector_id,
        severity=RULE.severity,
        at=now,
        since=odd[0].since,
        probable_cause=f"Not known; what stands out: {words}.",
        explanation=f"{place(subject)} charged unusually in {len(odd)} sessions of {vehicles} vehicles: {words}.",
        suggested_action=feature.remedy if feature is not None else RULE.action,
        evidence=tuple(
            Evidence(
                label=FEATURES[cause.feature].label,
                value=f"{cause.value:.4g} {FEATURES[cause.feature].unit}".strip(),
                threshold=f"normal {cause.normal:.4g}",
                peers=f"{cause.z:+.1f} deviations; {cause.share * 100:.0f} % of the score",
                at=odd[-1].since,
            )
            for cause in causes
        ),
        confidence=0.5,
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
    ),
    clears="Fewer than 3 of the last 6 sessions are odd.",
    action="Watch it; compare with its neighbours at the next visit.",
    doc=(
        "The isolation forest finds 3 of 5 windows odd, in 3 of the last 6 sessions, with 2 vehicles. It compares "
        "with the connector's own past, its model and the fleet under like conditions. Held back while a rule "
        "names a fault of the station. Never more urgent than P4."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SCORED}),
    inhibited_by=("*",),
)
