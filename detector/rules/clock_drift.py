"""The station's clock is wrong."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from detector.rules.base import (
    News,
    Rule,
    Scope,
    Standing,
    Subject,
    Threshold,
    Thresholds,
    Verdict,
    Wake,
    span,
)
from detector.view import Clock
from laddvakt.domain.facts import (
    Fact,
    Measured,
    StatusReported,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.tickets import Evidence, Finding, Severity

_JITTER_S = 30.0
_DRIFT = 0.25
"""A clock may run wrong by this share of the time; the times of a queue that is emptied run faster."""
_NOT_VALUES = 2
"""Messages of another kind that values may add to; one is enough for times in the future, which neither a queue
nor an interval's start makes."""
_ZONE_S = 1800.0
_ZONE_WITHIN_S = 120.0


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_TIME = "no_time"  # nothing with a time of its own was said
    RIGHT = "right"  # the last message's time is right
    TOLD_LATE = "told_late"  # some messages come late, others at once and with the right time
    FEW = "few"  # wrong, but in too few messages, or for too short a while, to tell it from a queue
    WRONG = "wrong"  # message after message is off by the same


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Messages in a row, values left out, whose time is off alike: how many, since when, and how late (negative:
    early) the first and the last of them were. `held`: a finding is due, and `count` has values as well."""

    count: int = 0
    since: datetime | None = None
    first_s: float = 0.0
    late_s: float = 0.0
    held: bool = False


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    said = _said(subject.news)
    if said is None:
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.NO_TIME, memory=memory)
    late_s = (now - said).total_seconds()
    off_s, right_at = thresholds["off_s"], subject.view.clock.right_at
    if right_at is not None and memory.since is not None and right_at >= memory.since:
        memory = Memory()  # something that the rule is not woken by was right: it is only told late
        if abs(late_s) > off_s:
            return Verdict(standing=Standing.NOT_MET, reason=Reason.TOLD_LATE)
    if abs(late_s) <= (off_s / 2 if memory.held else off_s):
        return Verdict(standing=Standing.NOT_MET, reason=Reason.RIGHT)
    memory = _with(memory, late_s, now)
    if memory.held:
        return Verdict(standing=Standing.MET, reason=Reason.WRONG, memory=memory)
    lasted_s = (now - memory.since).total_seconds() if memory.since is not None else 0.0
    enough = memory.count >= thresholds["messages"] and lasted_s >= thresholds["over_s"]
    if not enough and not _shown_by_all(subject.view.clock, memory, thresholds, now):
        return Verdict(standing=Standing.NOT_MET, reason=Reason.FEW, memory=memory)
    count = max(memory.count, subject.view.clock.run_count)
    held = msgspec.structs.replace(memory, count=count, held=True)
    return Verdict(standing=Standing.MET, reason=Reason.WRONG, memory=held)


def _said(news: News) -> datetime | None:
    """The newest time by the station's own clock; None for what it said of the time without a link."""
    if any(isinstance(fact, TransactionReported) and fact.offline for fact in news.facts):
        return None
    times = [at for fact in news.facts if (at := _time_of(fact)) is not None]
    return max(times, default=None)


def _time_of(fact: Fact) -> datetime | None:
    if isinstance(fact, Measured):
        if fact.source != "ocpp":
            return None  # a device has a clock of its own
        newest = None
        for reading in fact.readings:
            at = reading.station_at or reading.at
            if newest is None or at > newest:
                newest = at
        return newest
    if isinstance(fact, StatusReported | TransactionStarted | TransactionStopped):
        return fact.station_at or fact.at
    return None


def _with(memory: Memory, late_s: float, now: datetime) -> Memory:
    """One more message. A queue that is emptied starts anew with each: its times run faster than ours."""
    if memory.since is not None:
        allowed_s = _JITTER_S + _DRIFT * (now - memory.since).total_seconds()
        if memory.held or abs(late_s - memory.first_s) <= allowed_s:
            return msgspec.structs.replace(memory, count=memory.count + 1, late_s=late_s)
    return Memory(count=1, since=now, first_s=late_s, late_s=late_s)


def _shown_by_all(clock: Clock, memory: Memory, thresholds: Thresholds, now: datetime) -> bool:
    """Whether all that was said of late, values included, is off like the last message, within half a minute over
    minutes: the times of a queue run faster. Values prove nothing without messages of another kind, for some
    stations stamp them with the start of their interval."""
    enough = memory.count >= (_NOT_VALUES if memory.late_s > 0 else 1)
    if clock.run_since is None or not enough or clock.run_count < thresholds["messages"]:
        return False
    off_s, low_s, high_s = thresholds["off_s"], clock.run_low_s, clock.run_high_s
    alike = (low_s > off_s or high_s < -off_s) and low_s - _JITTER_S <= memory.late_s <= high_s + _JITTER_S
    return alike and (now - clock.run_since).total_seconds() >= thresholds["over_s"]


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    late_s: float = memory.late_s
    way = "behind" if late_s > 0 else "ahead"
    off = span(abs(late_s))
    zones = round(late_s / _ZONE_S)
    if zones and abs(late_s - zones * _ZONE_S) <= _ZONE_WITHIN_S:
        cause = "It sends local time as if it were UTC, or its time zone is set wrong."
    else:
        cause = "Nothing sets it: time server out of reach, Heartbeat's time not used, or an empty clock battery."
    return RULE.finding(
        subject,
        now,
        since=memory.since or now,
        probable_cause=cause,
        explanation=f"The clock of {subject.view.station_id} is {off} {way}.",
        evidence=(
            Evidence(label=f"Clock {way} by", value=off, threshold=span(thresholds["off_s"]), at=now),
            Evidence(
                label="Messages that show it",
                value=str(memory.count),
                threshold=f"{thresholds['messages']:.0f}",
                at=memory.since,
            ),
        ),
        confidence=0.95,
    )


RULE = Rule(
    code="clock_drift",
    title="Station clock wrong",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P3,
    mrec=(),
    thresholds=(
        Threshold(name="off_s", default=60, unit="s", doc="difference from our clock that counts"),
        Threshold(name="messages", default=5, unit="messages", doc="so many in a row must show it"),
        Threshold(name="over_s", default=300, unit="s", doc="and over so long a time"),
    ),
    clears="A message comes whose time is off by less than half of what counts.",
    action="Check the station's time server and time zone; have it set its clock by Heartbeat.",
    doc=(
        "The time in the station's messages differs from ours by more than 60 s, five messages in a row, for "
        "five minutes, alike in all of them. Values count as well, beside two messages of another kind (one, "
        "where the times are in the future), while all of them differ by the same within half a minute. Not for "
        "what was kept while the link was down: messages marked offline (OCPP 2.x) are left out, and those that "
        "come out of a queue differ by less and less (their times run faster than ours by more than a quarter). "
        "A status that is repeated with the time of its last change differs by more and more. One message with "
        "the right time, values included, starts the count anew. Devices have clocks of their own."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.STARTED, Wake.ENDED}),
)
