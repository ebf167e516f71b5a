"""One of three phases carries no current, or has no voltage."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place, span
from detector.runs import Run, longer
from detector.view import Sample
from laddvakt.domain.tickets import Evidence, Finding, Severity

_MAX_VEHICLES = 8
_MAX_KNOWN = 40
_LAST = 2  # the phase that a two-phase charger leaves out


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_PHASES = "no_phases"  # not three phases are measured
    ALL_THERE = "all_there"  # nothing is missing, or more than one phase is: a one-phase car, phases switched off
    WAITING = "waiting"  # one is missing, not yet long enough
    MAY_BE_VEHICLE = "may_be_vehicle"  # it was missing from the start: a two-phase car would look the same
    NO_VOLTAGE = "no_voltage"  # a phase that had voltage has none
    CURRENT_LOST = "current_lost"  # all three carried current in this session, and one stopped
    SEVERAL_VEHICLES = "several_vehicles"  # the same one is missing for several vehicles, and for none it is there


class Lost(msgspec.Struct, frozen=True, array_like=True):
    """What was found: which phase (from 0), why that is held, and for how long it was measured."""

    phase: int
    reason: str
    run: Run


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """`phase` is the one that is missing in `run` (no current) or `dark` (no voltage)."""

    three: bool = False  # all three have had voltage, or carried current: it is no one-phase installation
    transaction: str = ""  # of the session in which all three carried current
    phase: int = -1
    run: Run | None = None
    dark: Run | None = None
    without: tuple[str, ...] = ()  # vehicles that it was missing for, none between them that it was there for
    known: tuple[str, ...] = ()  # vehicles that have charged on all three here, the latest last
    lost: Lost | None = None
    good: Run | None = None  # the lost phase is there again


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    before = memory or Memory()
    memory, reason = before, Reason.NO_PHASES
    for sample in subject.news.samples:
        if len(sample.currents) == 3 and sample.transaction:
            memory, reason = _current(memory, subject, sample, thresholds)
        if len(sample.voltages) == 3:
            memory, dark = _voltage(memory, sample, thresholds)
            reason = dark or reason
    if memory.lost is not None:
        return Verdict(
            standing=Standing.MET,
            reason=Reason(memory.lost.reason),
            variant=f"L{memory.lost.phase + 1}",
            clear_after_s=thresholds["clear_after_s"],
            memory=memory,
        )
    return Verdict(
        standing=Standing.NOT_MET, reason=reason, clear_after_s=thresholds["clear_after_s"], memory=memory
    )


def _calm(memory: Any, sample: Sample, thresholds: Thresholds) -> bool:
    """All voltages are there, as before, outside any session."""
    if (
        memory is None
        or not memory.three
        or sample.transaction
        or memory.dark is not None
        or memory.lost is not None
    ):
        return False
    return len(sample.voltages) != 3 or min(sample.voltages) >= thresholds["nominal_v"] / 2


def _current(memory: Memory, subject: Subject, sample: Sample, thresholds: Thresholds) -> tuple[Memory, Reason]:
    replace, amps = msgspec.structs.replace, sample.currents
    least, flows = min(amps), thresholds["flow_a"]
    if least > flows:
        return _all_there(memory, subject, sample, thresholds), Reason.ALL_THERE
    phase = amps.index(least)
    others = sorted(amps)[1]
    if least >= thresholds["none_a"] or others <= flows:
        return memory if memory.run is None else replace(memory, run=None), Reason.ALL_THERE
    fresh = memory.phase != phase
    run = longer(None if fresh else memory.run, sample.at, others, low=True)
    memory = replace(memory, phase=phase, run=run, good=None, without=() if fresh else memory.without)
    if not run.lasted(thresholds["persist_s"]):
        return memory, Reason.WAITING
    if memory.transaction == sample.transaction:
        return replace(memory, lost=Lost(phase, Reason.CURRENT_LOST, run)), Reason.CURRENT_LOST
    connector = subject.connector
    session = connector.session if connector is not None else None
    if session is not None and session.vehicle_key not in memory.without:
        memory = replace(memory, without=(*memory.without, session.vehicle_key)[-_MAX_VEHICLES:])
    if memory.three and _several(memory, thresholds):
        return replace(memory, lost=Lost(phase, Reason.SEVERAL_VEHICLES, run)), Reason.SEVERAL_VEHICLES
    return memory, Reason.MAY_BE_VEHICLE


def _several(memory: Memory, thresholds: Thresholds) -> bool:
    """Whether so many vehicles miss it that it is not theirs. L3 is left out by two-phase chargers, and these may
    come one after the other all day, some with the card of a car that took three: several must be known. L1 and
    L2 no car leaves out: one that has used them here is enough."""
    if memory.phase != _LAST:
        found = len(memory.without) >= thresholds["vehicles"]
        return found or any(vehicle in memory.known for vehicle in memory.without)
    known = sum(vehicle in memory.known for vehicle in memory.without)
    return len(memory.without) >= thresholds["two_phase_vehicles"] and known >= thresholds["known_vehicles"]


def _with_known(memory: Memory, subject: Subject) -> Memory:
    session = subject.connector.session if subject.connector is not None else None
    if session is None or not session.vehicle_key:
        return memory
    others = tuple(vehicle for vehicle in memory.known if vehicle != session.vehicle_key)
    return msgspec.structs.replace(memory, known=(*others, session.vehicle_key)[-_MAX_KNOWN:])


def _all_there(memory: Memory, subject: Subject, sample: Sample, thresholds: Thresholds) -> Memory:
    """All three carry current: so they can."""
    replace = msgspec.structs.replace
    if memory.transaction != sample.transaction:
        memory = _with_known(memory, subject)
    if memory.transaction != sample.transaction or memory.run is not None or memory.without:
        memory = replace(memory, three=True, transaction=sample.transaction, run=None, without=(), phase=-1)
    return memory if memory.lost is None else _again(memory, sample, thresholds)


def _again(memory: Memory, sample: Sample, thresholds: Thresholds) -> Memory:
    good = longer(memory.good, sample.at, 0.0)
    if good.lasted(thresholds["persist_s"]):
        return msgspec.structs.replace(memory, lost=None, good=None)
    return msgspec.structs.replace(memory, good=good)


def _voltage(memory: Memory, sample: Sample, thresholds: Thresholds) -> tuple[Memory, Reason | None]:
    replace, volts = msgspec.structs.replace, sample.voltages
    half, least = thresholds["nominal_v"] / 2, min(volts)
    if least >= half:
        if memory.lost is not None and memory.lost.reason == Reason.NO_VOLTAGE:
            memory = _again(memory, sample, thresholds)
        if not memory.three or memory.dark is not None:
            memory = replace(memory, three=True, dark=None)
        return memory, None
    if not memory.three or sorted(volts)[1] < half:
        return memory if memory.dark is None else replace(memory, dark=None), None
    dark = longer(memory.dark, sample.at, least, low=True)
    if dark.lasted(thresholds["dark_s"]):
        lost = Lost(volts.index(least), Reason.NO_VOLTAGE, dark)
        return replace(memory, dark=dark, lost=lost, good=None), Reason.NO_VOLTAGE
    return replace(memory, dark=dark), Reason.WAITING


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    lost: Lost = memory.lost
    run, name = lost.run, f"L{lost.phase + 1}"
    seconds = (run.until - run.since).total_seconds()
    if lost.reason == Reason.NO_VOLTAGE:
        cause = f"The fuse or breaker of {name}, or a wire before the station, is open."
        says = f"{place(subject)} has no voltage on {name}."
        shown = Evidence(
            label=f"Voltage {name}",
            value=f"{run.worst:.0f} V",
            threshold=f"{thresholds['nominal_v'] / 2:.0f} V",
            at=run.worst_at,
        )
    else:
        cause = f"The contactor's pole of {name} does not close, or its wire or fuse is open."
        says = f"{place(subject)} passes no current on {name} while the other phases carry some."
        shown = Evidence(
            label=f"Current {name}",
            value=f"under {thresholds['none_a']:.1f} A",
            threshold=f"others over {thresholds['flow_a']:.0f} A",
            peers=f"other phases at least {run.worst:.1f} A",
            at=run.worst_at,
        )
    evidence = [shown, Evidence(label="For", value=span(seconds), at=run.since)]
    if lost.reason == Reason.SEVERAL_VEHICLES:
        evidence.append(Evidence(label="Vehicles in a row", value=str(len(memory.without))))
    elif lost.reason == Reason.CURRENT_LOST:
        evidence.append(Evidence(label="Earlier in the session", value="all three phases carried current"))
    return RULE.finding(
        subject,
        now,
        since=run.since,
        probable_cause=cause,
        explanation=says,
        evidence=tuple(evidence),
        mrec=RULE.mrec if lost.reason == Reason.NO_VOLTAGE else (),
        confidence=0.85 if lost.reason == Reason.SEVERAL_VEHICLES else 0.95,
    )


RULE = Rule(
    code="phase_loss",
    title="Phase lost",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P2,
    mrec=("CX006",),
    thresholds=(
        Threshold(name="none_a", default=0.5, unit="A", doc="current that counts as none"),
        Threshold(name="flow_a", default=6, unit="A", doc="current that the other phases must carry"),
        Threshold(name="persist_s", default=120, unit="s", doc="how long, in two samples or more"),
        Threshold(name="nominal_v", default=230, unit="V", doc="nominal voltage of a phase; under half is none"),
        Threshold(name="dark_s", default=10, unit="s", doc="how long a phase must be without voltage"),
        Threshold(
            name="vehicles",
            default=2,
            unit="vehicles",
            doc="so many in a row where the phase was missing from the start of the session",
        ),
        Threshold(
            name="two_phase_vehicles",
            default=6,
            unit="vehicles",
            doc="the same for L3, which two-phase chargers leave out",
        ),
        Threshold(
            name="known_vehicles",
            default=3,
            unit="vehicles",
            doc="so many of these for L3 must have charged on all three phases here before",
        ),
        Threshold(name="clear_after_s", default=3600, unit="s", doc="how long it must be there again"),
    ),
    clears="The phase carries current, or has voltage, for two minutes, and does not go again within an hour.",
    action="Check the fuse and breaker of the phase, then the contactor's pole and the terminals.",
    doc=(
        "In a session, one phase under 0.5 A for 2 min while both others carry over 6 A: at once where all three "
        "carried over 6 A earlier in the session; where it was missing from the start, with two vehicles in a "
        "row, or with one that has charged on all phases here (for L3 six, three of which have), for a two-phase "
        "car looks the same. Or one phase under half of its nominal voltage for 10 s where all three have had it. "
        "Not for one- and two-phase cars, nor phases that load management switches off (two at once), nor a "
        "taper, in which the others fall below 6 A, too."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE}),
    fields=frozenset({"current_l1_a", "voltage_l1_v"}),
    calm=_calm,
    inhibited_by=("offline",),
)
