"""A driver may charge, and nothing begins: the connector stays Preparing."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.attempts import Open, follow
from detector.attribution import attribute
from detector.limits import limited_outside, told_limit
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
    span,
)
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Evidence, Finding, Severity

_RECHECK = timedelta(minutes=5)


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOT_WAITING = "not_waiting"  # not Preparing, or a session runs
    NOT_KNOWN = "not_known"  # nothing was said since the link was lost
    PARKED = "parked"  # plugged in, and nobody asked to charge: a parked car, or one that was refused
    BEGINNING = "beginning"  # asked a moment ago
    LIMITED = "limited"  # smart charging lets it wait
    STUCK = "stuck"  # accepted long ago, and nothing began


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The attempt that runs."""

    opened: Open | None = None


_NOT_WAITING = Verdict(standing=Standing.NOT_MET, reason=Reason.NOT_WAITING)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    view, connector = subject.view, subject.connector
    if connector is None or not connector.connector_id or connector.session is not None:
        return _NOT_WAITING
    if connector.stale or not view.connected:
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.NOT_KNOWN, memory=memory)
    before = memory.opened if memory is not None else None
    opened, _ = follow(before, view, connector, subject.news.ended, start_within_s=0.0, now=now)
    if opened is None:
        return _NOT_WAITING
    memory = Memory(opened=opened)
    if opened.accepted_at is None:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.PARKED, memory=memory)
    if limited_outside(subject) or told_limit(subject, now).pause:
        check_at = now + _RECHECK
        return Verdict(standing=Standing.NOT_MET, reason=Reason.LIMITED, memory=memory, check_at=check_at)
    due = max(opened.accepted_at, opened.since) + timedelta(seconds=thresholds["after_s"])
    if now < due:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.BEGINNING, memory=memory, check_at=due)
    return Verdict(standing=Standing.MET, reason=Reason.STUCK, memory=memory)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    opened: Open = memory.opened
    since = max(opened.accepted_at or opened.since, opened.since)
    blame = attribute(subject, [opened.driver], now, lean=Lean.STATION)
    return RULE.finding(
        subject,
        now,
        blame=blame,
        since=since,
        probable_cause="The controller hangs between the driver's identification and the start of the session.",
        explanation=f"{place(subject)} has been Preparing since a driver was accepted, and no session began.",
        evidence=(
            Evidence(
                label="Preparing since acceptance",
                value=span((now - since).total_seconds()),
                threshold=span(thresholds["after_s"]),
                at=since,
            ),
            Evidence(label="Plugged in", value="Preparing", at=opened.since),
        ),
    )


RULE = Rule(
    code="stuck_preparing",
    title="Stuck before the session",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P3,
    mrec=("CX009",),
    thresholds=(
        Threshold(
            name="after_s", default=900, unit="s", doc="how long it may stay Preparing once a driver was accepted"
        ),
    ),
    clears="A session begins, or the connector is no longer Preparing (OCPP 2.x: Occupied).",
    action="Restart the station when idle; if it comes back, read the diagnostics log and update the firmware.",
    doc=(
        "Preparing (OCPP 2.x: Occupied without a transaction) for 15 minutes after a token was accepted, or a "
        "remote start was asked for, that has begun no session of the station. Not for a car that is parked "
        "without anybody asking to charge, a token that was refused, a token that ended a session, a limit under "
        "6 A, or while somebody outside limits the station. Of two connectors that wait at once nobody knows "
        "which one a card was for: then neither is judged."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.TOKEN, Wake.COMMAND, Wake.STARTED, Wake.ENDED, Wake.LINK}),
    inhibited_by=("offline", "emergency_stop", "reported_fault", "cut_cable", "non_conforming"),
)
