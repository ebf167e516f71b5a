"""The energy register runs backwards, within a session or from one to the next."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

import msgspec

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
from detector.view import Register, Sample, SessionView
from laddvakt.domain.facts import TransactionStopped
from laddvakt.domain.tickets import Evidence, Finding, Severity


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_SESSION = "no_session"  # nothing has fallen since the last
    RISING = "rising"  # the register rises or stands
    UNCONFIRMED = "unconfirmed"  # it fell, but may come back: single zeros do
    ROLLED_BACK = "rolled_back"  # it fell and stayed down


class Rollback(msgspec.Struct, frozen=True):
    """A confirmed fall."""

    transaction: str
    before: Register
    after: Register
    confirmed_at: datetime


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the scan of the running session's registers stands. `last`: the highest of the session before, or
    since; `carried`: sessions in a row that went on where the one before had ended, so that it counts for life."""

    transaction: str = ""
    boots: int = 0
    rising: int = 0
    first_wh: float = 0.0
    high: Register | None = None
    last: Register | None = None
    counted: bool = False  # the session before counted enough to say where the next must go on
    carried: int = 0
    idle_known: bool = False  # outside sessions the meter has read what it did at a session's end
    low: tuple[Register, ...] = ()
    fell: bool = False  # in this session
    rollback: Rollback | None = None  # stands until enough good sessions
    good_sessions: int = 0


_GOOD_SAMPLES = 3
_EVEN = 3  # samples from which on a pace can be seen
_PACE = 1.5  # so much may the pace differ from sample to sample: a leap back at least doubles it
_COUNTED_WH = 500.0  # a session that counted less says nothing of where the next must go on


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    connector = subject.connector
    session = connector.session if connector is not None else None
    transaction = session.transaction_id if session is not None else ""
    if transaction != memory.transaction:
        memory = _next_session(_stopped(memory, subject), transaction, subject.view.boots, thresholds)
    for sample in subject.news.samples:
        wh = sample.values.get("energy_wh")
        if wh is None or sample.source != "ocpp" or sample.foreign or sample.transaction != transaction:
            continue
        register = Register(sample.at, wh)
        if session is None:
            memory = _idle(memory, register, subject.view.boots, thresholds, now)
        else:
            memory = _sample(memory, register, session, subject.view.boots, thresholds, now)
    if memory.rollback is not None:
        return Verdict(standing=Standing.MET, reason=Reason.ROLLED_BACK, memory=memory)
    reason = Reason.UNCONFIRMED if memory.low else Reason.RISING if session is not None else Reason.NO_SESSION
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory)


def _calm(memory: Any, sample: Sample, thresholds: Thresholds) -> bool:
    """Outside any session, and the register stands."""
    if sample.transaction or sample.foreign:
        return False
    if memory is None or memory.last is None:
        return True
    return memory.idle_known and not memory.low and sample.values.get("energy_wh") == memory.last.wh


def _stopped(memory: Memory, subject: Subject) -> Memory:
    """With what the register read as the session ended, where that is said: it may have counted since the last
    sample, but hardly more than before. What is far from there is another register's."""
    for fact in subject.news.facts:
        if not isinstance(fact, TransactionStopped) or fact.transaction_id != memory.transaction:
            continue
        stop_wh, high = fact.meter_stop_wh, memory.high
        if stop_wh is None or high is None or memory.low or fact.at <= high.at:
            continue
        if 0 < stop_wh - high.wh <= max(high.wh - memory.first_wh, _COUNTED_WH):
            return msgspec.structs.replace(memory, high=Register(fact.at, float(stop_wh)))
    return memory


def _next_session(memory: Memory, transaction: str, boots: int, thresholds: Thresholds) -> Memory:
    good = memory.rising >= _GOOD_SAMPLES and not memory.fell and not memory.low
    sessions = memory.good_sessions + (1 if good and memory.rollback is not None else 0)
    mended = sessions >= thresholds["good_sessions"]
    return Memory(
        transaction=transaction,
        boots=boots,
        last=(memory.high or memory.last) if boots == memory.boots else None,
        counted=memory.counted if memory.high is None else memory.high.wh - memory.first_wh >= _COUNTED_WH,
        carried=memory.carried,
        idle_known=memory.idle_known,
        rollback=None if mended else memory.rollback,
        good_sessions=0 if mended else sessions,
    )


def _idle(memory: Memory, sample: Register, boots: int, thresholds: Thresholds, now: datetime) -> Memory:
    """Outside any session: a register that counts for life, and is read there as well, goes on where it stood."""
    replace, last = msgspec.structs.replace, memory.last
    if last is None or boots != memory.boots or memory.carried < thresholds["carried"] or sample.at <= last.at:
        return memory
    if not memory.idle_known:
        agrees = 0 <= sample.wh - last.wh < _COUNTED_WH
        return replace(memory, idle_known=True, last=sample) if agrees else memory
    if sample.wh > last.wh - thresholds["drop_wh"]:
        return replace(memory, last=max(last, sample, key=lambda one: one.wh), low=())
    low = (*memory.low, sample)
    if len(low) <= thresholds["confirming_samples"]:
        return replace(memory, low=low)
    rollback = Rollback("", last, low[0], now)
    return replace(memory, last=sample, low=(), rollback=rollback, good_sessions=0)


def _sample(
    memory: Memory, sample: Register, session: SessionView, boots: int, thresholds: Thresholds, now: datetime
) -> Memory:
    replace = msgspec.structs.replace
    if boots != memory.boots:  # a register per boot begins anew
        return replace(memory, first_wh=sample.wh, high=sample, low=(), boots=boots, carried=0)
    if memory.high is None:
        memory = _begins(memory, sample, session, thresholds)
        if memory.high is None:
            return replace(memory, first_wh=sample.wh, high=sample)
    low, mark_wh = (*memory.low, sample), memory.high.wh - thresholds["drop_wh"]
    below = all(one.wh <= mark_wh for one in low)
    if not below and (not memory.low or not _goes_on(low, thresholds)):
        high = max(memory.high, *low, key=lambda one: one.wh)
        low = (sample,) if sample.wh <= high.wh - thresholds["drop_wh"] else ()
        return replace(memory, high=high, low=low, rising=memory.rising + 1)
    if len(low) <= thresholds["confirming_samples"] or (not below and len(low) < _EVEN):
        return replace(memory, low=low)
    rollback = Rollback(session.transaction_id, memory.high, low[0], now)
    return replace(memory, high=sample, low=(), fell=True, rollback=rollback, good_sessions=0)


def _goes_on(low: tuple[Register, ...], thresholds: Thresholds) -> bool:
    """Whether samples after a fall count on from there, at one pace: a fast charger is above where it was before
    within a minute. A sample that was wrong once is made good by a leap."""
    steps = [(after.wh - one.wh, (after.at - one.at).total_seconds()) for one, after in pairwise(low)]
    paces = [wh / seconds for wh, seconds in steps if seconds > 0]
    if len(paces) < len(steps):
        return False
    slack = thresholds["drop_wh"] / min(seconds for _, seconds in steps)
    return len(paces) < _EVEN - 1 or max(paces) <= _PACE * min(paces) + slack


def _begins(memory: Memory, sample: Register, session: SessionView, thresholds: Thresholds) -> Memory:
    """The first of a session: a register that counts for life goes on where it stood, and is held against that."""
    replace, last = msgspec.structs.replace, memory.last
    if last is None or sample.at < last.at:
        return memory
    start_wh, mark_wh = session.meter_start_wh, last.wh - thresholds["drop_wh"]
    in_time = session.started_at >= last.at  # what is told late is not held against what flowed meanwhile
    begun, fallen = in_time and start_wh is not None and 0 < start_wh <= mark_wh, sample.wh <= mark_wh
    if not begun and not fallen:
        return replace(memory, carried=memory.carried + 1) if memory.counted else memory
    # One per session begins near zero. A start that alone is low may be this station's habit.
    for_life = fallen and start_wh is not None and start_wh >= _COUNTED_WH
    if memory.carried < thresholds["carried"] and not for_life:
        return replace(memory, carried=0)
    low = (Register(session.started_at, float(start_wh or 0)),) if begun else ()
    return replace(memory, first_wh=sample.wh, high=last, low=low)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    rollback: Rollback = memory.rollback
    fall_wh = rollback.before.wh - rollback.after.wh
    return RULE.finding(
        subject,
        now,
        since=rollback.after.at,
        probable_cause="The energy meter lost its count or was exchanged, or the station reads it wrongly.",
        explanation=f"The energy register of {place(subject)} fell by {fall_wh:.0f} Wh and stayed down.",
        evidence=(
            Evidence(label="Register before", value=f"{rollback.before.wh:.0f} Wh", at=rollback.before.at),
            Evidence(
                label="Register after",
                value=f"{rollback.after.wh:.0f} Wh",
                threshold=f"not under {rollback.before.wh - thresholds['drop_wh']:.0f} Wh",
                at=rollback.after.at,
            ),
            Evidence(
                label="Confirmed by",
                value=f"{thresholds['confirming_samples']:.0f} more samples",
                at=rollback.confirmed_at,
            ),
        ),
        confidence=0.95,
    )


RULE = Rule(
    code="meter_rollback",
    title="Energy register runs backwards",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P2,
    mrec=(),  # ChargeX has none; OCPP: PowerMeterFailure
    thresholds=(
        Threshold(name="drop_wh", default=10, unit="Wh", doc="a fall smaller than this is rounding"),
        Threshold(name="confirming_samples", default=2, unit="samples", doc="further samples that must stay down"),
        Threshold(
            name="carried",
            default=2,
            unit="sessions",
            doc="in a row that went on where the one before ended, before one that does not is a fall",
        ),
        Threshold(name="good_sessions", default=2, unit="sessions", doc="good sessions after which it is cleared"),
    ),
    clears="Two sessions on the connector whose register only rises.",
    action="Hold its sessions from invoicing, read the meter's display on site, check or replace the meter.",
    doc=(
        "The register falls and stays down for two more samples, or counts on from there at an even pace, which "
        "soon brings a fast charger above where it was: within a session; or from one session to the next, where "
        "two in a row had gone on where the one before ended, or which begins far from zero; or idle, where the "
        "meter is read then as well. Not for a single "
        "zero, nor for registers that count per session or per boot, nor for samples out of order or queued."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.STARTED, Wake.ENDED}),
    fields=frozenset({"energy_wh"}),
    source="ocpp",
    calm=_calm,
    inhibited_by=("offline",),
)
