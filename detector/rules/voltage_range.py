"""The mains voltage at a station is too high or too low."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.limits import is_dc
from detector.mains import Means, add, common, unbalance, volts_at, volts_of
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake
from detector.view import Sample
from laddvakt.domain.tickets import Evidence, Finding, Severity

_FRESH = timedelta(minutes=15)
NEWEST = timedelta(minutes=10)
"""How old a neighbour's newest reading may be, to be off together with a station."""
_KNOWN = timedelta(minutes=25)
_FORGOTTEN = timedelta(hours=24)
_OTHER_SYSTEM = 0.6  # all phases under this share: another nominal voltage, not a poor one
_NO_PHASE = 1.5  # over this share: between phases, or the output of DC
_LOST = 0.5  # a phase under this share is lost
_BACK = 0.01
_PHASES = 3
_TOGETHER = timedelta(minutes=5)
_DOUBTED = 0.05  # so far off, other connectors are asked
_PARTED = 0.03
"""Phases that are further apart are `phase_imbalance`'s; what they have in common is judged here."""

HIGH, LOW = "high", "low"
MREC = {HIGH: ("CX005",), LOW: ("CX006",)}


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_VOLTAGE_VALUES = "no_voltage_values"  # the mains are not measured here
    IN_RANGE = "in_range"
    OUT_OF_RANGE = "out_of_range"
    OUTDATED = "outdated"  # it was out of range, and nothing was measured since


class Mean(msgspec.Struct, frozen=True, array_like=True):
    """The phase that is furthest off: its mean over ten minutes."""

    at: datetime
    phase: int  # from 0
    volts: float
    since: datetime


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ten minutes that run, and the last that were out of range. `lost`: which phases are lost meanwhile, one
    bit each."""

    means: Means | None = None
    lost: int = 0
    out: Mean | None = None


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    measured = False
    for sample in subject.news.samples:
        volts = _mains(subject, sample, thresholds["nominal_v"])
        if volts and not _contradicted(subject, sample.at, volts, thresholds["nominal_v"]):
            measured = True
            memory = _sample(memory, sample.at, volts, thresholds)
    out = memory.out
    if out is None:
        reason = Reason.IN_RANGE if measured or memory.means is not None else Reason.NO_VOLTAGE_VALUES
        return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory if memory.means else None)
    if now - out.at > _FORGOTTEN:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.OUTDATED)
    outdated = now - out.at > _KNOWN
    return Verdict(
        standing=Standing.UNKNOWN if outdated else Standing.MET,
        reason=Reason.OUTDATED if outdated else Reason.OUT_OF_RANGE,
        variant=direction(out.volts, thresholds["nominal_v"]),
        persist_s=_persist_s(subject, out, thresholds, now),
        check_at=out.at + (_FORGOTTEN if outdated else _KNOWN) + timedelta(seconds=1),
        memory=memory,
    )


def direction(volts: float, nominal_v: float) -> str:
    return HIGH if volts > nominal_v else LOW


def _persist_s(subject: Subject, out: Mean, thresholds: Thresholds, now: datetime) -> float:
    """Unless a neighbour is in range it may be the whole site's; as soon as one is off, too, it is: by its mean or
    by its newest reading."""
    network, view = subject.network, subject.view
    site = network.siblings(view)
    site_id = subject.station.site_id if subject.station is not None else None
    if not site or any(holder.view is not view for holder in network.holders(site_id or "", RULE.code)):
        return 0.0
    nominal_v, share = thresholds["nominal_v"], thresholds["range_pct"] / 100
    for other in site:
        volts = volts_of(other, now - _FRESH)
        if volts is not None and max(abs(value / nominal_v - 1) for value in volts) <= share:
            return 0.0
        newest = volts_of(other, now - NEWEST)
        if newest is not None and _as_far_off(newest, out, nominal_v, share):
            return 0.0
    return thresholds["alone_s"]


def _as_far_off(volts: tuple[float, ...], out: Mean, nominal_v: float, share: float) -> bool:
    """Whether a neighbour is out of range the same way."""
    other = common(volts, nominal_v)
    if other is None or abs(other / nominal_v - 1) <= share:
        return False
    return direction(other, nominal_v) == direction(out.volts, nominal_v)


def _mains(subject: Subject, sample: Sample, nominal_v: float) -> tuple[float, ...]:
    """Phase to neutral, upstream of any rectifier."""
    if "inlet/voltage_l1_v" in sample.values:
        names = ("inlet/voltage_l1_v", "inlet/voltage_l2_v", "inlet/voltage_l3_v")
        return tuple(sample.values[name] for name in names if name in sample.values)
    volts = sample.voltages
    if not volts or is_dc(subject) or "soc_pct" in sample.values or max(volts) > _NO_PHASE * nominal_v:
        return ()
    return volts


def _contradicted(subject: Subject, at: datetime, volts: tuple[float, ...], nominal_v: float) -> bool:
    """Whether another connector of the station, which hangs on the same mains, reads much less of it: then this
    one's meter is off, not the mains. Two with one phase each may be on different ones."""
    own = common(volts, nominal_v) if len(volts) == _PHASES else None
    if own is None or abs(own / nominal_v - 1) < _DOUBTED:
        return False
    for connector in subject.view.connectors.values():
        others = volts_at(connector, at - _TOGETHER)
        other = common(others, nominal_v) if others is not None and len(others) == _PHASES else None
        if other is not None and abs(own - nominal_v) - abs(other - nominal_v) > _PARTED * nominal_v:
            return True
    return False


def _sample(memory: Memory, at: datetime, volts: tuple[float, ...], thresholds: Thresholds) -> Memory:
    nominal_v = thresholds["nominal_v"]
    lost = sum(1 << phase for phase, value in enumerate(volts) if value < _LOST * nominal_v)
    # A phase that goes within the ten minutes is lost, not low: they begin anew.
    means, full = add(memory.means if lost == memory.lost else None, at, volts)
    if full is None:
        return Memory(means, lost, memory.out)
    judged = [value / nominal_v - 1 for value in full]
    if max(judged) < _OTHER_SYSTEM - 1:
        return Memory(means, lost)
    if min(judged) > _LOST - 1 and unbalance(full) > _PARTED:
        judged = [sum(judged) / len(judged)] * len(judged)
    off, phase = max((abs(share), phase) for phase, share in enumerate(judged) if share > _LOST - 1)
    allowed = thresholds["range_pct"] / 100 - (_BACK if memory.out is not None else 0.0)
    if off <= allowed:
        return Memory(means, lost)
    begun = memory.means.start if memory.means is not None else at
    since = memory.out.since if memory.out is not None else begun
    return Memory(means, lost, Mean(at, phase, nominal_v * (1 + judged[phase]), since))


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    out: Mean = memory.out
    nominal_v, share = thresholds["nominal_v"], thresholds["range_pct"] / 100
    way = direction(out.volts, nominal_v)
    border = nominal_v * (1 + share if way == HIGH else 1 - share)
    others = [volts for view in subject.network.siblings(subject.view) if (volts := volts_of(view, now - _FRESH))]
    peers = ", ".join(f"{sum(volts) / len(volts):.0f} V" for volts in others[:4])
    return RULE.finding(
        subject,
        now,
        since=out.since,
        probable_cause=_CAUSES[way],
        explanation=f"{subject.view.station_id} has {out.volts:.0f} V on L{out.phase + 1}: too {way}.",
        evidence=(
            Evidence(
                label=f"Voltage L{out.phase + 1}, mean of 10 min",
                value=f"{out.volts:.1f} V",
                threshold=f"{border:.1f} V",
                peers=f"other stations of the site {peers}" if peers else "",
                at=out.at,
            ),
        ),
        mrec=MREC[way],
        confidence=0.9 if peers else 0.75,
    )


_CAUSES = {
    HIGH: "The transformer is set too high, solar power pushes the voltage up, or the neutral is loose.",
    LOW: "The feeder is overloaded or too long, the transformer is set too low, or a terminal is loose.",
}

RULE = Rule(
    code="voltage_range",
    title="Mains voltage out of range",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P3,
    mrec=("CX005", "CX006"),
    thresholds=(
        Threshold(name="nominal_v", default=230, unit="V", doc="nominal voltage, phase to neutral"),
        Threshold(name="range_pct", default=10, unit="%", doc="how far from it a mean of ten minutes may be"),
        Threshold(
            name="alone_s",
            default=900,
            unit="s",
            doc="how long it waits for a word of the site's other stations, unless one is in range",
        ),
    ),
    clears="A mean over ten minutes is a volt or two within the range again, or nothing was measured for a day.",
    action="Measure the supply at the station, with and without load; tighten terminals; ask the grid operator.",
    doc=(
        "The mean of a phase over ten minutes (three samples or more) is over 10 % from nominal. Not for a "
        "phase that is lost (under half); phases over 3 % apart are judged by their mean (`phase_imbalance`). Nor "
        "where all phases together are under 60 %: there the nominal voltage "
        "is another one, which is to be set. Nor where another connector of the station, with three phases as "
        "well, is 3 % less off at the same time: a meter is off, not the mains. The output of a DC station says "
        "nothing of the mains. Where two "
        "stations have it, it is the site's (`site_voltage`). Source: EN 50160 (10-minute means, 230 V +-10 %)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE}),
    fields=frozenset({"voltage_v", "voltage_l1_v", "inlet/voltage_l1_v"}),
    absorbed_by=("site_voltage", "supply_resistance"),
    explained=lambda other, own: own.mrec == other.mrec,  # the site off the same way, or a sag
)
