"""The energy register leaps ahead of anything that can have flowed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from detector.limits import is_dc, rated_w
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
from detector.view import ConnectorView
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity

_UNRATED_AC_W = 44_000.0
_UNRATED_DC_W = 400_000.0
_OWN_W = 150.0  # what a register may count while nothing is charged: the station's own use
_NEW_REGISTER = 3  # samples in a row under the highest make them those of another register
_GOOD_SAMPLES = 3
_IDLE = frozenset(
    {
        ConnectorState.AVAILABLE,
        ConnectorState.PREPARING,
        ConnectorState.FINISHING,
        ConnectorState.RESERVED,
        ConnectorState.UNAVAILABLE,
        ConnectorState.FAULTED,
    }
)


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_SESSION = "no_session"  # registers are compared within and between sessions
    PLAUSIBLE = "plausible"  # what the register counts can have flowed
    UNCONFIRMED = "unconfirmed"  # it leapt, but may come back
    JUMPED = "jumped"  # it leapt and stays there


class Point(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A register reading: its own time, and when we heard of it."""

    at: datetime
    heard: datetime
    wh: float


class Leap(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """From one reading to the next. `most_wh`: what can have flowed between; `confirmed`: by so many more."""

    before: Point
    after: Point
    most_wh: float
    confirmed: int = 0

    @property
    def wh(self) -> float:
        return self.after.wh - self.before.wh


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The highest reading so far, and how long nothing can have flowed since.

    `lows`: readings in a row under the highest. `others_wh`: the neighbours' registers then; None where one is not
    known. `idle_known`: what the meter says outside sessions has agreed with what it says within.
    """

    transaction: str = ""
    high: Point | None = None
    lows: int = 0
    others_wh: float | None = None
    idle_known: bool = False
    idle_since: datetime | None = None
    idle_s: float = 0.0  # since `high`, before `idle_since`
    samples: int = 0  # in this session
    leap: Leap | None = None  # not confirmed yet
    jumped: Leap | None = None  # stands until enough good sessions
    good_sessions: int = 0
    falls: int = 0  # to another register, since one was set right
    fell_wh: float = 0.0  # by which the last fall took it back


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    connector = subject.connector
    if connector is None or not connector.connector_id:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.NO_SESSION)
    session = connector.session
    memory = _time(memory, subject, connector, now)
    transaction = session.transaction_id if session is not None else ""
    if transaction != memory.transaction:
        memory = _next_session(memory, transaction, thresholds)
    for sample in subject.news.samples:
        wh = sample.values.get("energy_wh")
        if wh is None or sample.source != "ocpp" or sample.foreign or sample.transaction != transaction:
            continue
        if transaction or _idle_agrees(memory, Point(sample.at, now, wh), subject, connector, thresholds):
            memory = _reading(memory, Point(sample.at, now, wh), subject, connector, thresholds)
    return _verdict(memory, transaction)


def _verdict(memory: Memory, transaction: str) -> Verdict:
    if memory.jumped is not None:
        return Verdict(standing=Standing.MET, reason=Reason.JUMPED, memory=memory)
    if memory.leap is not None:
        reason = Reason.UNCONFIRMED
    else:
        reason = Reason.PLAUSIBLE if transaction else Reason.NO_SESSION
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory)


def _time(memory: Memory, subject: Subject, connector: ConnectorView, now: datetime) -> Memory:
    """Counts the time in which nothing can flow: no session, and a status that says so, as news."""
    idle = connector.session is None and connector.status in _IDLE
    idle = idle and subject.view.connected and not connector.stale
    if idle == (memory.idle_since is not None):
        return memory
    if memory.idle_since is None:
        return msgspec.structs.replace(memory, idle_since=now)
    passed_s = (now - memory.idle_since).total_seconds()
    return msgspec.structs.replace(memory, idle_since=None, idle_s=memory.idle_s + passed_s)


def _next_session(memory: Memory, transaction: str, thresholds: Thresholds) -> Memory:
    jumped, good = memory.jumped, memory.good_sessions
    if jumped is not None and memory.leap is None and memory.samples >= _GOOD_SAMPLES:
        good += 1
        if good >= thresholds["good_sessions"]:
            jumped, good = None, 0
    return msgspec.structs.replace(memory, transaction=transaction, samples=0, jumped=jumped, good_sessions=good)


def _idle_agrees(
    memory: Memory, point: Point, subject: Subject, connector: ConnectorView, thresholds: Thresholds
) -> bool:
    """Whether a reading outside any session is of the meter that sessions are read from."""
    high = memory.high
    if high is None or memory.idle_known:
        return memory.idle_known
    return 0 <= point.wh - high.wh <= _most(memory, point, subject, connector, thresholds)


def _reading(
    memory: Memory, point: Point, subject: Subject, connector: ConnectorView, thresholds: Thresholds
) -> Memory:
    replace = msgspec.structs.replace
    high, samples, in_turn = memory.high, memory.samples + 1, memory.lows > 0
    if high is not None and point.wh < high.wh:
        if not memory.lows:  # what falls back from a leap that nothing confirmed has lost nothing
            memory = replace(memory, fell_wh=high.wh - point.wh if memory.leap is None else 0.0)
        if memory.lows + 1 < _NEW_REGISTER:
            return replace(memory, lows=memory.lows + 1, samples=samples)
        memory = replace(memory, falls=memory.falls + 1)
    if high is not None and point.wh == high.wh and _may_catch_up(memory, connector):
        return replace(memory, lows=0, samples=samples)
    most_wh = _most(memory, point, subject, connector, thresholds)
    memory = replace(
        memory,
        high=point,
        lows=0,
        others_wh=_others(subject, connector),
        idle_known=memory.idle_known or connector.session is None,
        idle_since=point.heard if memory.idle_since is not None else None,
        idle_s=0.0,
        samples=samples,
    )
    if high is None or point.wh < high.wh:
        return replace(memory, leap=None)
    if point.wh - high.wh > most_wh:
        if memory.falls == 1 and point.wh - high.wh <= memory.fell_wh + most_wh:
            return replace(memory, leap=None, falls=0)  # it was set right
        return replace(memory, leap=Leap(high, point, most_wh))
    return _confirm(memory, point, thresholds, in_turn=in_turn)


def _may_catch_up(memory: Memory, connector: ConnectorView) -> bool:
    """Whether a register that stands may hide what flows: a dead line to the meter repeats its last word, a coarse
    one waits for its next step. What it tells then has had all the time since it last rose."""
    charging = connector.session is not None and connector.status is ConnectorState.CHARGING
    return charging and memory.leap is None


def _confirm(memory: Memory, point: Point, thresholds: Thresholds, *, in_turn: bool) -> Memory:
    """One more reading from where the register leapt to. What was read wrong once is not read wrong minutes later;
    `in_turn`: it was lower in between, as where two registers are read."""
    leap = memory.leap
    if leap is None:
        return memory
    leap = msgspec.structs.replace(leap, confirmed=leap.confirmed + 1)
    apart = not in_turn and (point.at - leap.after.at).total_seconds() >= thresholds["apart_s"]
    if leap.confirmed < thresholds["confirming_samples"] and not apart:
        return msgspec.structs.replace(memory, leap=leap)
    return msgspec.structs.replace(memory, leap=None, jumped=leap, good_sessions=0, samples=0)


def _others(subject: Subject, connector: ConnectorView) -> float | None:
    """The sum of the registers of the station's other connectors; None where one has said nothing yet."""
    total = 0.0
    for other in subject.view.connectors.values():
        if other is connector or not other.connector_id:
            continue
        if other.register is not None:
            total += other.register.wh
        elif other.session is not None or other.last_ended_at is not None:
            return None
    return total


def _most(
    memory: Memory, point: Point, subject: Subject, connector: ConnectorView, thresholds: Thresholds
) -> float:
    """What can have been counted since the highest reading, in watt-hours: also what the neighbours have, which
    may be on the same meter. Where the station's clock and ours disagree on how long that was, the longer time
    counts."""
    high = memory.high
    if high is None:
        return 0.0
    idle_s = memory.idle_s
    if memory.idle_since is not None:
        idle_s += (point.heard - memory.idle_since).total_seconds()
    seconds = max((point.at - high.at).total_seconds(), (point.heard - high.heard).total_seconds(), idle_s)
    rated_w = thresholds["times"] * _rated(subject)
    most_wh = thresholds["least_wh"] + _OWN_W * idle_s / 3600
    others_wh = _others(subject, connector)
    if others_wh is None or memory.others_wh is None or others_wh < memory.others_wh:
        idle_s = 0.0  # nobody knows what a neighbour has charged
    else:
        most_wh += thresholds["times"] * (others_wh - memory.others_wh)
    return most_wh + rated_w * (seconds - idle_s + thresholds["jitter_s"]) / 3600


def _rated(subject: Subject) -> float:
    """The most that connector and station may give."""
    station = subject.station.max_power_w if subject.station is not None else None
    known = max(rated_w(subject) or 0.0, station or 0.0)
    return known or (_UNRATED_DC_W if is_dc(subject) else _UNRATED_AC_W)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    leap: Leap = memory.jumped
    took_s = (leap.after.at - leap.before.at).total_seconds()
    return RULE.finding(
        subject,
        now,
        since=leap.after.at,
        probable_cause="The energy meter has lost or corrupted its count, or was exchanged for a used one.",
        explanation=(
            f"The energy register of {place(subject)} leapt ahead by {leap.wh / 1000:.1f} kWh within "
            f"{span(took_s)}: no more than {leap.most_wh / 1000:.1f} kWh can have flowed."
        ),
        evidence=(
            Evidence(label="Register before", value=f"{leap.before.wh:.0f} Wh", at=leap.before.at),
            Evidence(
                label="Register after",
                value=f"{leap.after.wh:.0f} Wh",
                threshold=f"{leap.before.wh + leap.most_wh:.0f} Wh",
                at=leap.after.at,
            ),
            Evidence(label="Rated power", value=f"{_rated(subject) / 1000:.0f} kW"),
            Evidence(label="Confirmed by, more samples", value=str(leap.confirmed)),
        ),
        confidence=0.95,
    )


RULE = Rule(
    code="meter_jump",
    title="Energy register leaps ahead",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P2,
    mrec=(),  # ChargeX has none; OCPP: PowerMeterFailure
    thresholds=(
        Threshold(name="times", default=1.2, unit="times", doc="the rated power that may flow for short"),
        Threshold(name="least_wh", default=1000, unit="Wh", doc="a leap smaller than this is no matter"),
        Threshold(name="jitter_s", default=60, unit="s", doc="by which registers lag behind their time"),
        Threshold(name="confirming_samples", default=2, unit="samples", doc="more samples that must stay up"),
        Threshold(name="apart_s", default=240, unit="s", doc="one is enough where it comes so much later"),
        Threshold(name="good_sessions", default=2, unit="sessions", doc="good sessions after which it is cleared"),
    ),
    clears="Two sessions on the connector whose register rises as it can.",
    action="Hold the session from invoicing, read the meter's display on site, check or replace the meter.",
    doc=(
        "From one reading to the next, within a session, between two, or idle, the register rises by more than "
        "1.2 times the rated power can have brought in the time between, and stays there for two more samples, or "
        "for one that comes four minutes later or more. "
        "Time in which the connector was seen to be without a session counts 150 W only. Not for a gap or a queue "
        "that is emptied (the time between readings counts, by the clock that says more), nor for a register that "
        "comes back from a zero or counts per session, that stood still and catches up, or that had fallen and is "
        "set right, for another meter that is read while idle, or for a meter shared with neighbours (what their "
        "registers rose by is allowed)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.STARTED, Wake.ENDED, Wake.STATUS, Wake.LINK}),
    fields=frozenset({"energy_wh"}),
    source="ocpp",
    inhibited_by=("offline",),
    absorbed_by=("meter_frozen", "meter_rollback", "welded_contactor"),  # it catches up, or counts what flows on
)
