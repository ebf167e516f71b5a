"""More current flows than the connector may carry or the station offers."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import fmean, stdev
from typing import Any

import msgspec

from detector.attribution import attribute
from detector.limits import LEAST_A, is_dc, limit_of
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.runs import Run, longer
from detector.view import Sample, SessionView
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Evidence, Finding, Severity

_MAX_VEHICLES = 4
_FLOWED_A = 6.0
_LATELY = 8  # readings that are kept, once one was over the limit itself
_TELLING = 3  # of them, before those that are too high: fewer do not tell how much the current varies
_CHANCE = 3.0  # standard errors: what a varying current does not do by chance
_OTHER_UNIT = 0.5  # power under this share of volts times amperes is another unit, or one phase's


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_SESSION = "no_session"
    NO_CURRENT = "no_current"  # it is not measured
    NO_LIMIT = "no_limit"  # neither rating, offer nor profile is known
    PAUSED = "paused"  # less than 6 A is offered: the vehicle is about to stop, or the offer is not meant
    FOLLOWING = "following"  # the limit has fallen: the vehicle follows it
    WITHIN = "within"  # the limit is kept
    POWER_SAYS_LESS = (
        "power_says_less"  # the power that is told needs less current: one of the two is read wrongly
    )
    OFFERED_BEFORE = (
        "offered_before"  # over an offer that was told before the current rose: it may have risen, too
    )
    PEAKS = "peaks"  # over, no more than a current that varies so is now and then, and not in the mean
    WAITING = "waiting"  # over, in one sample
    OVER = "over"  # over, and too few sessions have kept the limit since


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """`limit_a` of the last sample, and when it last fell. `vehicles`: those that were given too much; `sessions`:
    ended since with current and within the limit. `lately`: the last readings since one was over the limit."""

    transaction: str = ""
    limit_a: float = 0.0
    offered_a: float | None = None  # by the sample that `limit_a` was worked out for
    fell_at: datetime | None = None
    run: Run | None = None
    lately: tuple[float, ...] = ()
    found: Run | None = None
    over_a: float = 0.0  # the limit that `found` was over
    told_by: str = ""
    vehicles: tuple[str, ...] = ()
    sessions: int = 0


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory, reason = memory or Memory(), Reason.NO_SESSION
    connector = subject.connector
    if memory.found is not None:
        memory = _with_sessions(memory, subject, thresholds)
    session = connector.session if connector is not None else None
    if session is not None:
        for sample in subject.news.samples:
            if sample.transaction == session.transaction_id:
                memory, reason = _sample(memory, subject, session, sample, thresholds)
    if memory.found is not None:
        return Verdict(standing=Standing.MET, reason=Reason.OVER, memory=memory)
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory if session is not None else None)


def _with_sessions(memory: Memory, subject: Subject, thresholds: Thresholds) -> Memory:
    kept = [
        s for s in subject.news.ended if s.current_max_a >= _FLOWED_A and s.vehicle not in memory.vehicles[-1:]
    ]
    if not kept:
        return memory
    sessions = memory.sessions + len(kept)
    return (
        Memory() if sessions >= thresholds["good_sessions"] else msgspec.structs.replace(memory, sessions=sessions)
    )


def _sample(
    memory: Memory, subject: Subject, session: SessionView, sample: Sample, thresholds: Thresholds
) -> tuple[Memory, Reason]:
    if not sample.currents:
        return memory, Reason.NO_CURRENT
    offered_a = _offered_a(subject, sample)
    if _as_before(memory, subject, session, offered_a) and max(sample.currents) <= memory.limit_a:
        return memory, Reason.WITHIN
    limit = limit_of(subject, sample.at, sample)
    if limit.amps is None:
        return memory, Reason.NO_LIMIT
    replace = msgspec.structs.replace
    if memory.transaction != session.transaction_id:
        begun = {"transaction": session.transaction_id, "limit_a": limit.amps, "offered_a": offered_a}
        memory = replace(memory, fell_at=None, run=None, lately=(), **begun)
    elif limit.amps != memory.limit_a:
        fell_at = sample.at if limit.amps < memory.limit_a else memory.fell_at
        memory = replace(memory, limit_a=limit.amps, offered_a=offered_a, fell_at=fell_at, run=None, lately=())
    if limit.amps < LEAST_A:
        return memory, Reason.PAUSED
    if memory.fell_at is not None and sample.at - memory.fell_at < timedelta(seconds=thresholds["lag_s"]):
        return memory, Reason.FOLLOWING
    amps, allowed_a = max(sample.currents), _allowed_a(subject, sample, limit.amps, thresholds)
    if amps <= allowed_a or amps * _by_power(sample, thresholds) <= allowed_a:
        reason = Reason.WITHIN if amps <= allowed_a else Reason.POWER_SAYS_LESS
        lately = _with_reading(memory, amps, least=allowed_a / thresholds["factor"])
        unchanged = memory.run is None and not lately and not memory.lately
        return memory if unchanged else replace(memory, run=None, lately=lately), reason
    run = longer(memory.run, sample.at, amps)
    lately = memory.lately if run is memory.run else _with_reading(memory, amps, least=0.0)
    memory = replace(memory, run=run, lately=lately)
    if limit.told_by == "offered" and not _holds(run.since, memory, subject, sample, thresholds):
        return memory, Reason.OFFERED_BEFORE
    if not run.lasted(thresholds["persist_s"]):
        return memory, Reason.WAITING
    if _peaks(lately[: -run.samples], lately[-run.samples :], allowed_a):
        return memory, Reason.PEAKS
    vehicles = memory.vehicles
    if session.vehicle_key not in vehicles:
        vehicles = (*vehicles[-(_MAX_VEHICLES - 1) :], session.vehicle_key)
    found = {"found": run, "over_a": limit.amps, "told_by": limit.told_by, "vehicles": vehicles}
    return replace(memory, sessions=0, **found), Reason.OVER


def _with_reading(memory: Memory, amps: float, *, least: float) -> tuple[float, ...]:
    """The last readings with this one; none while all of them are under `least`."""
    lately = (*memory.lately, amps)[-_LATELY:]
    return lately if max(lately) > least else ()


def _peaks(before: tuple[float, ...], over: tuple[float, ...], allowed_a: float) -> bool:
    """Whether readings are over what is allowed as those of a varying current are now and then: with what was read
    before them they are not over it in the mean, nor higher than chance makes them. A current that only rose
    before does not vary."""
    if len(before) < _TELLING or list(before) == sorted(before) or fmean((*before, *over)) > allowed_a:
        return False
    error = stdev(before) * math.sqrt(1 / len(before) + 1 / len(over))
    return fmean(over) - fmean(before) <= _CHANCE * error


def _by_power(sample: Sample, thresholds: Thresholds) -> float:
    """The share of the current that the power needs at the same voltage; 1 where they agree, or are not told."""
    power, volts = sample.power, sample.voltages
    if power is None or power.basis != "measured" or power.at != sample.at or len(volts) != len(sample.currents):
        return 1.0
    apparent = sum(volt * amps for volt, amps in zip(volts, sample.currents, strict=True))
    share = power.watts / apparent if apparent > 0 else 1.0
    return share if _OTHER_UNIT < share < 1 - thresholds["mismatch_pct"] / 100 else 1.0


def _offered_a(subject: Subject, sample: Sample) -> float | None:
    """By the sample, or lately by another message."""
    told = sample.values.get("current_offered_a")
    if told is None and subject.connector is not None and "current_offered_a" in subject.connector.latest:
        return subject.connector.latest["current_offered_a"].value
    return told


def _holds(since: datetime, memory: Memory, subject: Subject, sample: Sample, thresholds: Thresholds) -> bool:
    """Whether the offer that is exceeded since then holds: it was told again, or the vehicle has never kept it.
    Who kept it and takes more may be offered more by now: its own meter speaks more often than the station."""
    told = subject.connector.latest.get("current_offered_a") if subject.connector is not None else None
    if "current_offered_a" in sample.values or told is None or told.at >= since:
        return True
    return memory.fell_at is not None and since - memory.fell_at <= timedelta(seconds=2 * thresholds["lag_s"])


def _as_before(memory: Memory, subject: Subject, session: SessionView, offered_a: float | None) -> bool:
    """Whether the limit must be the one that it was: most samples need not work it out."""
    same = memory.transaction == session.transaction_id and memory.offered_a == offered_a
    return (
        same
        and memory.run is None
        and not memory.lately
        and not subject.view.profiles.accepted
        and memory.limit_a >= LEAST_A
    )


def _allowed_a(subject: Subject, sample: Sample, limit_a: float, thresholds: Thresholds) -> float:
    """A current without its phase may be that of all three together."""
    allowed_a = thresholds["factor"] * limit_a + thresholds["margin_a"]
    if "current_a" not in sample.values or len(sample.currents) > 1 or is_dc(subject):
        return allowed_a
    one_phase = subject.station is not None and subject.station.phases == 1
    return allowed_a if one_phase else 3 * allowed_a


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    found: Run = memory.found
    allowed_a = thresholds["factor"] * memory.over_a + thresholds["margin_a"]
    blame = attribute(subject, memory.vehicles, now, lean=Lean.STATION, least=0.8)
    return RULE.finding(
        subject,
        now,
        blame=blame,
        since=found.since,
        probable_cause="The pilot offers more than is meant and nobody watches it, or the station is set wrongly.",
        explanation=(
            f"{found.worst:.1f} A flowed at {place(subject)}, where {memory.over_a:.1f} A are allowed "
            f"({_SOURCES.get(memory.told_by, 'rating')})."
        ),
        evidence=(
            Evidence(
                label="Current", value=f"{found.worst:.1f} A", threshold=f"{allowed_a:.1f} A", at=found.worst_at
            ),
            Evidence(label="Limit", value=f"{memory.over_a:.1f} A", peers=_SOURCES.get(memory.told_by, "")),
            Evidence(label="Vehicles", value=str(len(memory.vehicles))),
        ),
    )


_SOURCES = {
    "rating": "rating of connector and cable",
    "offered": "offered by the station",
    "profile": "charging profile in force",
}

RULE = Rule(
    code="overcurrent",
    title="Current over the limit",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P1,
    mrec=("CX004",),
    thresholds=(
        Threshold(name="factor", default=1.1, unit="x", doc="times the limit in force"),
        Threshold(name="margin_a", default=0.5, unit="A", doc="and so much more, for the meter's error"),
        Threshold(name="persist_s", default=10, unit="s", doc="how long it must be over, in two samples or more"),
        Threshold(
            name="lag_s", default=60, unit="s", doc="how long a vehicle may take to follow a limit that has fallen"
        ),
        Threshold(
            name="good_sessions",
            default=5,
            unit="sessions",
            doc="so many others must keep the limit until it is cleared",
        ),
        Threshold(
            name="mismatch_pct",
            default=10,
            unit="%",
            doc="by which power is under volts times amperes: one is wrong",
        ),
    ),
    clears="Five sessions of other vehicles have kept the limit.",
    action="Keep out of use. Measure the pilot's duty cycle and hold it against the offer; check the settings.",
    doc=(
        "A phase's current (DC: the outlet's) over 1.1 times the limit in force and 0.5 A, in two samples "
        "10 s apart or more. The limit is the least of the network file's rating, Current.Offered, and charging "
        "profiles that the station accepted. Who kept an offer and takes more may be offered more by now: then it "
        "must be told again. Not within 60 s of a limit that has fallen, not while less than 6 A "
        "are offered, and a current without its phase may be the sum of three. Nor where the power that is told, "
        "over the same voltage, needs no more than the limit: one of the two is read wrongly (`power_mismatch`). "
        "Nor for peaks of a current that varies: those of readings whose mean is within, by no more than chance. "
        "Vehicles that would take no more anyway do not show it. Source: IEC 61851-1 (5 s to follow the pilot); "
        "OCPP 1.6 section 3.13."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.ENDED}),
    fields=frozenset({"current_a", "current_l1_a", "current_l2_a", "current_l3_a"}),
    charging=True,
)
