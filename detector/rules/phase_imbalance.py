"""The three phases part: in voltage, or in what they carry."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.mains import VOLTS, Means, add, drawn, fresh, unbalance
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake
from detector.view import Sample, StationView
from laddvakt.domain.tickets import Evidence, Finding, Severity

_FRESH = timedelta(minutes=3)
_NEIGHBOURS = timedelta(minutes=10)
_MAX_VEHICLES = 4
_THIN = timedelta(seconds=110)
"""A sample in two minutes makes the same mean of ten as one a second."""
_LOST = 0.5  # a phase under this share of the mean is lost, not out of balance
_PER_A = 0.06 / 230
"""Share by which an ampere that a neighbour draws from one phase alone may part the voltages: 0.06 ohm that the
site shares."""


_SAG_PER_A = 0.4 / 230
"""Share by which an ampere of its own may make a phase fall at a poor terminal: that is `supply_resistance`."""


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_PHASES = "no_phases"  # not three phases are measured
    MIXED_LOADS = "mixed_loads"  # the station draws more from one phase than from another: its own doing
    NEIGHBOURS_TOO = "neighbours_too"  # the site's other stations see the same: the grid's
    BALANCED = "balanced"
    ONE_VEHICLE = "one_vehicle"  # a vehicle draws unequally: its own charger
    VOLTAGES = "voltages"  # they have parted
    CURRENTS = "currents"  # several vehicles in turn draw unequally


class Parted(msgspec.Struct, frozen=True, array_like=True):
    """Means over ten minutes that were too unequal; `at` is their end, `since` when that began."""

    at: datetime
    since: datetime
    values: tuple[float, ...]


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ten minutes that run, of voltages and of currents, and what was found of each. `at`: of the last sample
    that was looked at."""

    at: datetime | None = None
    volts: Means | None = None
    amps: Means | None = None
    transaction: str = ""  # of `amps`
    windows: int = 0  # in a row, in which the voltages had parted
    voltages: Parted | None = None
    currents: Parted | None = None
    vehicles: tuple[str, ...] = ()


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory, reason = memory or Memory(), Reason.NO_PHASES
    for sample in subject.news.samples:
        if memory.at is not None and timedelta(0) <= sample.at - memory.at < _THIN:
            continue  # soon after the last
        if len(sample.voltages) == 3:
            memory, reason = _voltage(memory, subject, sample, thresholds)
        if len(sample.currents) == 3 and min(sample.currents) > thresholds["flow_a"]:
            memory, reason = _current(memory, subject, sample, reason, thresholds)
    if memory.voltages is not None and memory.windows >= thresholds["windows"]:
        return Verdict(standing=Standing.MET, reason=Reason.VOLTAGES, variant="voltages", memory=memory)
    if memory.currents is not None and len(memory.vehicles) >= thresholds["vehicles"]:
        return Verdict(standing=Standing.MET, reason=Reason.CURRENTS, variant="currents", memory=memory)
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory if memory.at is not None else None)


def _voltage(memory: Memory, subject: Subject, sample: Sample, thresholds: Thresholds) -> tuple[Memory, Reason]:
    replace, view = msgspec.structs.replace, subject.view
    if min(sample.voltages) < _LOST * max(sample.voltages):
        return memory, Reason.NO_PHASES
    amps = drawn(view, sample.at - _FRESH)
    if amps is None or max(amps) - min(amps) > thresholds["mixed_a"]:
        return memory, Reason.MIXED_LOADS
    volts, means = add(memory.volts, sample.at, (*sample.voltages, max(amps)))
    memory = replace(memory, volts=volts, at=sample.at)
    if means is None:
        return memory, Reason.BALANCED
    full = means[:3]
    share, allowed = unbalance(full), thresholds["voltage_pct"] / 100 + _SAG_PER_A * means[3]
    if share <= allowed * (0.8 if memory.voltages is not None else 1):
        return replace(memory, voltages=None, windows=0), Reason.BALANCED
    if _neighbours_too(subject, share, allowed, sample.at, thresholds):
        return memory, Reason.NEIGHBOURS_TOO
    since = memory.voltages.since if memory.voltages is not None else sample.at - timedelta(minutes=10)
    parted = Parted(sample.at, since, full)
    return replace(memory, voltages=parted, windows=memory.windows + 1), Reason.VOLTAGES


def _neighbours_too(subject: Subject, share: float, allowed: float, at: datetime, thresholds: Thresholds) -> bool:
    """Whether others of the site see half of it, or draw so unequally that the shared supply may explain it."""
    loads_a = 0.0
    for view in subject.network.siblings(subject.view):
        amps = drawn(view, at - _NEIGHBOURS)
        if amps is None:
            continue
        unequal_a = max(amps) - min(amps)
        loads_a += unequal_a
        if unequal_a <= thresholds["mixed_a"] and _seen_by(view, at) > share / 2:
            return True
    return share <= allowed + _PER_A * loads_a


def _seen_by(view: StationView, at: datetime) -> float:
    """The unbalance that a station measures now; 0 where it says nothing."""
    for connector in view.connectors.values():
        volts = fresh(connector, VOLTS, at - _NEIGHBOURS)
        if volts is not None and min(volts) > _LOST * max(volts):
            return unbalance(volts)
    return 0.0


def _current(
    memory: Memory, subject: Subject, sample: Sample, reason: Reason, thresholds: Thresholds
) -> tuple[Memory, Reason]:
    """Of a three-phase draw: each vehicle counts once, and one that draws equally clears."""
    replace = msgspec.structs.replace
    same = memory.transaction == sample.transaction
    amps, full = add(memory.amps if same else None, sample.at, sample.currents)
    memory = replace(memory, amps=amps, transaction=sample.transaction, at=sample.at)
    if full is None:
        return memory, reason
    if unbalance(full) <= thresholds["current_pct"] / 100:
        return replace(memory, currents=None, vehicles=()), reason
    vehicle = _vehicle(subject, sample)
    since = memory.currents.since if memory.currents is not None else sample.at - timedelta(minutes=10)
    vehicles = memory.vehicles
    if vehicle not in vehicles:
        vehicles = (*vehicles, vehicle)[-_MAX_VEHICLES:]
    found = replace(memory, currents=Parted(sample.at, since, full), vehicles=vehicles)
    return found, Reason.CURRENTS if len(vehicles) >= thresholds["vehicles"] else Reason.ONE_VEHICLE


def _vehicle(subject: Subject, sample: Sample) -> str:
    for connector in subject.view.connectors.values():
        session = connector.session
        if session is not None and session.transaction_id == sample.transaction:
            return session.vehicle_key
    return f"transaction {sample.transaction}"


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    by_voltage = memory.voltages is not None and memory.windows >= thresholds["windows"]
    found: Parted = memory.voltages if by_voltage else memory.currents
    what, unit = ("Voltages", "V") if by_voltage else ("Currents", "A")
    border = thresholds["voltage_pct" if by_voltage else "current_pct"]
    share = 100 * unbalance(found.values)
    shown = ", ".join(f"{value:.1f}" for value in found.values)
    evidence = [
        Evidence(label="Unbalance", value=f"{share:.1f} %", threshold=f"{border:.0f} %", at=found.at),
        Evidence(label=f"{what} L1, L2, L3, means of 10 min", value=f"{shown} {unit}", at=found.at),
    ]
    if not by_voltage:
        evidence.append(Evidence(label="Vehicles in turn", value=str(len(memory.vehicles))))
    return RULE.finding(
        subject,
        now,
        since=found.since,
        probable_cause=(
            "The neutral is loose and has moved, or a phase's terminal is."
            if by_voltage
            else "A phase passes less than the others: a worn pole of the contactor, or the meter's transformer."
        ),
        explanation=f"The {what.lower()} of {subject.view.station_id} are {share:.1f} % out of balance.",
        evidence=tuple(evidence),
        confidence=0.85,
    )


RULE = Rule(
    code="phase_imbalance",
    title="Phases out of balance",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P3,
    mrec=(),
    thresholds=(
        Threshold(name="voltage_pct", default=2, unit="%", doc="unbalance of the voltages"),
        Threshold(name="current_pct", default=20, unit="%", doc="unbalance of the currents of a three-phase draw"),
        Threshold(name="flow_a", default=6, unit="A", doc="each phase carries more in a three-phase draw"),
        Threshold(
            name="mixed_a",
            default=3,
            unit="A",
            doc="voltages are judged while the station draws no more than this from one phase than from another",
        ),
        Threshold(name="windows", default=2, unit="means", doc="so many of ten minutes in a row, of the voltages"),
        Threshold(name="vehicles", default=2, unit="vehicles", doc="so many in turn must draw unequally"),
    ),
    clears="Means of ten minutes are under four fifths of the threshold; or a vehicle draws equally.",
    action="Check the neutral first, at the station and upstream; then the terminals and contactor poles.",
    doc=(
        "Unbalance is the greatest distance of a phase from the mean of the three, as a share of the mean. Means "
        "over ten minutes: of the voltages over 2 %, twice in a row, while all connectors of the station together "
        "load the phases equally (and what 0.4 ohm would take of a loaded phase on top); or of the currents "
        "over 20 %, each over 6 A, for two vehicles in turn. Not if "
        "another station of the site sees it, too, nor where what the others draw from single phases may explain "
        "it (0.06 ohm shared). Source: EN 50160 (voltage unbalance up to 2 %)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE}),
    fields=frozenset({"voltage_l1_v", "current_l1_a"}),
    slow=True,
    inhibited_by=("offline", "phase_loss"),
    absorbed_by=("supply_resistance",),
)
