"""The mains voltage of a whole site is too high or too low: one ticket for the site."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.episodes import codes_of
from detector.mains import common, volts_of
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake
from detector.rules.voltage_range import HIGH, LOW, MREC, NEWEST, direction
from detector.view import StationView
from laddvakt.domain.tickets import Asset, Evidence, Finding, Severity

_RECHECK = timedelta(minutes=5)
_MEASURED = timedelta(hours=24)
_NAMED = 12
_REPORTS = {"OverVoltage": HIGH, "CX005": HIGH, "UnderVoltage": LOW, "CX006": LOW}


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    IN_RANGE = "in_range"  # no station of the site is out of range
    ONE_STATION = "one_station"  # one alone: it is the station's
    SEVERAL = "several"  # several are off the same way
    BACK = "back"  # none of them is off any more


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stations that were off together, which way, and since when."""

    members: tuple[str, ...] = ()
    way: str = ""
    since: datetime | None = None


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    off = _off(subject, thresholds, now)
    if memory.members:
        if off.keys().isdisjoint(memory.members):
            return Verdict(standing=Standing.NOT_MET, reason=Reason.BACK)
        more = [station_id for station_id, way in off.items() if way == memory.way]
        memory = msgspec.structs.replace(memory, members=tuple(sorted({*memory.members, *more})))
        return Verdict(standing=Standing.MET, reason=Reason.SEVERAL, check_at=now + _RECHECK, memory=memory)
    for way in (HIGH, LOW):
        members = sorted(station_id for station_id, one in off.items() if one == way)
        if len(members) >= thresholds["stations"]:
            memory = Memory(tuple(members), way, now)
            return Verdict(standing=Standing.MET, reason=Reason.SEVERAL, check_at=now + _RECHECK, memory=memory)
    return Verdict(standing=Standing.NOT_MET, reason=Reason.ONE_STATION if off else Reason.IN_RANGE)


def _off(subject: Subject, thresholds: Thresholds, now: datetime) -> dict[str, str]:
    """Stations that are out of range, measured or reported, and which way."""
    site_id, found = subject.site_id or "", {}
    stations = subject.network.site_stations(site_id)
    for view in stations:
        if (way := _reported(view)) is not None:
            found[view.station_id] = way
    reported = set(found.values())
    for view in stations if reported else ():
        way = _measured(view, thresholds, now, over_pct=thresholds["range_pct"])
        if way in reported:  # where a station says so itself, a neighbour's newest reading is enough
            found.setdefault(view.station_id, way)
    for holder in subject.network.holders(site_id, "voltage_range"):
        volts = volts_of(holder.view, now - _MEASURED)
        if volts is not None:
            furthest = max(volts, key=lambda value: abs(value - thresholds["nominal_v"]))
            found[holder.view.station_id] = direction(furthest, thresholds["nominal_v"])
    measured = set(found.values()) - reported
    for view in stations if measured else ():
        way = _measured(view, thresholds, now, over_pct=thresholds["range_pct"] - thresholds["near_pct"])
        if way in measured:  # no station's own trouble brings its neighbour to the border of the range
            found.setdefault(view.station_id, way)
    return found


def _measured(view: StationView, thresholds: Thresholds, now: datetime, *, over_pct: float) -> str:
    """Which way its newest voltages are off by more; "" where they are not, or none is fresh."""
    fresh, nominal_v = volts_of(view, now - NEWEST), thresholds["nominal_v"]
    volts = common(fresh, nominal_v) if fresh is not None else None
    if volts is None or abs(volts / nominal_v - 1) <= over_pct / 100:
        return ""
    return direction(volts, nominal_v)


def _reported(view: StationView) -> str | None:
    for connector in view.connectors.values():
        for code in codes_of(view, connector):
            if code in _REPORTS:
                return _REPORTS[code]
    return None


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    members: tuple[str, ...] = memory.members
    stations = subject.network.site_stations(subject.site_id or "")
    named = ", ".join(members[:_NAMED]) + (f" and {len(members) - _NAMED} more" if len(members) > _NAMED else "")
    evidence = [
        Evidence(
            label="Stations out of range",
            value=str(len(members)),
            threshold=f"{thresholds['stations']:.0f}",
            peers=f"of {len(stations)} stations",
            at=memory.since,
        ),
        Evidence(label="Stations", value=named),
    ]
    for view in stations:
        volts = volts_of(view, now - _MEASURED) if view.station_id in members else None
        if volts is not None and len(evidence) < _NAMED:
            shown = ", ".join(f"{value:.0f}" for value in volts)
            evidence.append(Evidence(label=f"Voltage {view.station_id}", value=f"{shown} V"))
    return Finding(
        fault=RULE.code,
        asset=Asset(kind="site", id=subject.site_id or ""),
        station_id=members[0],
        severity=RULE.severity,
        at=now,
        since=memory.since or now,
        probable_cause="The site's transformer, its feeder or the grid: stations do not go off together.",
        explanation=f"The voltage at {len(members)} stations of {subject.site_id} is too {memory.way}.",
        suggested_action=RULE.action,
        evidence=tuple(evidence),
        mrec=MREC[memory.way],
        confidence=0.95,
    )


RULE = Rule(
    code="site_voltage",
    title="Site's mains voltage out of range",
    scope=Scope.SITE,
    asset="site",
    severity=Severity.P3,
    mrec=("CX005", "CX006"),
    thresholds=(
        Threshold(name="stations", default=2, unit="stations", doc="so many must be off the same way"),
        Threshold(name="nominal_v", default=230, unit="V", doc="nominal voltage, phase to neutral"),
        Threshold(
            name="range_pct", default=10, unit="%", doc="how far from it a neighbour of one that reports it may be"
        ),
        Threshold(
            name="near_pct",
            default=2,
            unit="%",
            doc="by so much less a neighbour of one that is out of range may be off, the same way",
        ),
    ),
    clears="None of these stations is out of range any more.",
    action="Ask the grid operator; have the transformer's tap and the site's main terminals and neutral checked.",
    doc=(
        "Two stations of a site or more are too high, or too low: their own 10-minute means (`voltage_range`) or "
        "their reports of over- and undervoltage say so; beside a report, a neighbour's newest reading does. "
        "Beside a station that is out of range a neighbour counts that is 8 % off the same way: it sags less. One "
        "ticket for the site; those of its stations are put under it. Source: EN 50160."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset[Wake](),
    gathers=("voltage_range", "reported_fault"),
)
