"""Which ticket found which fault, event by event: one ticket, one fault, the right asset, in time.

No credit is given for time covered ("point adjustment"): that would let a detector that fires at random look good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from detector.evaluation.classes import AFTER_END, grading, names_it
from detector.evaluation.truth import Alarm, Fault, LookAlike, Truth
from laddvakt.domain.tickets import Asset

FOREST = "anomaly"
"""The forests' tickets name no class: they may have found any."""


class Outcome(StrEnum):
    """What an alarm was worth. All but the `FINE` ones are false tickets."""

    FOUND = "found"  # the first on the right asset, in time
    AGAIN = (
        "again"  # the same ticket, reopened or renamed while the same fault or look-alike lasts: counted already
    )
    DUPLICATE = "duplicate"  # the fault has its ticket already
    LATE = "late"  # the right fault and asset, after the deadline
    WRONG_ASSET = "wrong_asset"  # the right fault, laid to something else
    OTHER_NAME = "other_name"  # something is wrong there, but not this
    LOOK_ALIKE = "look_alike"  # taken in by something that resembles a fault
    NOTHING_THERE = "nothing_there"  # nothing at all was the matter


FINE = frozenset({Outcome.FOUND, Outcome.AGAIN})


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm and what it was worth; `fault` and `look_alike` are indices into the truth."""

    alarm: Alarm
    outcome: Outcome
    fault: int | None = None
    look_alike: int | None = None


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """All alarms judged, and for each fault of the truth the alarm that found it."""

    judged: tuple[Judged, ...]
    found_by: tuple[Alarm | None, ...]

    @property
    def false(self) -> list[Judged]:
        return [one for one in self.judged if one.outcome not in FINE]


def match(truth: Truth, alarms: Iterable[Alarm], site_of: Mapping[str, str]) -> Matched:
    """Judge every alarm. What names a fault goes before what only says that something is unusual."""
    found_by: list[Alarm | None] = [None] * len(truth.faults)
    judged = [
        _judge(truth, alarm, site_of, found_by)
        for alarm in sorted(alarms, key=lambda alarm: (alarm.fault == FOREST, alarm.opened_at, alarm.ticket_id))
    ]
    judged.sort(key=lambda one: (one.alarm.opened_at, one.alarm.ticket_id))
    judged = list(_once(judged))
    return Matched(judged=tuple(judged), found_by=tuple(found_by))


def _judge(truth: Truth, alarm: Alarm, site_of: Mapping[str, str], found_by: list[Alarm | None]) -> Judged:
    near = [
        number
        for number, fault in enumerate(truth.faults)
        if _lasts(fault.since, fault.until, alarm) and touches(fault, alarm, site_of)
    ]
    named = [number for number in near if _names(alarm, truth.faults[number])]
    right = [number for number in named if truth.faults[number].asset == alarm.asset]
    if right:
        return _right(truth, alarm, right, found_by)
    if named:
        return Judged(alarm=alarm, outcome=Outcome.WRONG_ASSET, fault=named[0])
    if near:
        return Judged(alarm=alarm, outcome=Outcome.OTHER_NAME, fault=near[0])
    alike = [
        number
        for number, like in enumerate(truth.look_alikes)
        if _lasts(like.since, like.until, alarm) and _resembles(like, alarm, site_of)
    ]
    if alike:
        return Judged(alarm=alarm, outcome=Outcome.LOOK_ALIKE, look_alike=alike[0])
    return Judged(alarm=alarm, outcome=Outcome.NOTHING_THERE)


def _once(judged: Iterable[Judged]) -> Iterable[Judged]:
    """A false ticket that is reopened about the same thing is one false ticket. About nothing, or laid to another
    asset than before, it is another."""
    counted: set[tuple[str, Asset, int | None, int | None]] = set()
    for one in judged:
        about = (one.alarm.ticket_id, one.alarm.asset, one.fault, one.look_alike)
        reopened = one.alarm.again and about in counted and one.outcome is not Outcome.NOTHING_THERE
        counted.add(about)
        yield msgspec.structs.replace(one, outcome=Outcome.AGAIN) if reopened else one


def _right(truth: Truth, alarm: Alarm, right: list[int], found_by: list[Alarm | None]) -> Judged:
    free = [number for number in right if found_by[number] is None]
    for number in free:
        if alarm.opened_at <= deadline(truth.faults[number]):
            found_by[number] = alarm
            return Judged(alarm=alarm, outcome=Outcome.FOUND, fault=number)
    if free:
        return Judged(alarm=alarm, outcome=Outcome.LATE, fault=free[0])
    first = found_by[right[0]]
    same = first is not None and first.ticket_id == alarm.ticket_id
    return Judged(alarm=alarm, outcome=Outcome.AGAIN if same else Outcome.DUPLICATE, fault=right[0])


def deadline(fault: Fault) -> datetime:
    """The last moment at which its ticket is in time."""
    return (fault.shown_at or fault.since) + grading(fault.fault).within


def _names(alarm: Alarm, fault: Fault) -> bool:
    return alarm.fault == FOREST or names_it(alarm.fault, fault.fault, fault.detail)


def _lasts(since: datetime, until: datetime | None, alarm: Alarm) -> bool:
    return since <= alarm.opened_at and (until is None or alarm.opened_at <= until + AFTER_END)


def touches(fault: Fault, alarm: Alarm, site_of: Mapping[str, str]) -> bool:
    """Whether they are about the same station, or one is about the other's whole site."""
    if alarm.asset.kind == "site":
        return alarm.asset.id in (fault.asset.id, site_of.get(fault.station_id))
    return alarm.station_id in (fault.station_id, *fault.stations)


def _resembles(like: LookAlike, alarm: Alarm, site_of: Mapping[str, str]) -> bool:
    if not like.station_id:
        return not like.site_id or like.site_id in (alarm.asset.id, alarm.site_id, site_of.get(alarm.station_id))
    if alarm.asset.kind == "site":
        return alarm.asset.id == site_of.get(like.station_id)
    here = None in (like.connector_id, alarm.connector_id) or 0 in (like.connector_id, alarm.connector_id)
    return alarm.station_id == like.station_id and (here or like.connector_id == alarm.connector_id)
