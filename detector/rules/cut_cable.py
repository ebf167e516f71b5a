"""A cable was cut off: the station says so, or the sensors in its plugs are gone together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.assets import station_asset
from detector.episodes import codes_of
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, span
from detector.temperatures import HIGHEST_C, LOWEST_C, PLUG
from detector.view import ConnectorView, Latest, Sample
from laddvakt.domain.facts import LinkDown, SecurityEventReported
from laddvakt.domain.tickets import Asset, Evidence, Finding, Severity

_CODE = "CX026"
_TAMPER = "TamperDetectionActivated"  # OCPP 1.6 security white paper table 8, 2.0.1 part 2 appendix 1
_DOOR = "door_open"
_FORGET = timedelta(days=1)  # of an alarm


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    WHOLE = "whole"  # nothing speaks for it
    ONE_SENSOR = "one_sensor"  # a plug sensor is gone: a broken sensor
    APART = "apart"  # several are gone, but not at about the same time
    WAITING = "waiting"  # several are gone together; whether they come back is waited for
    REPORTED = "reported"  # the station says so
    SILENT = (
        "silent"  # several are gone together, and the station with them: a power cut until they are read again
    )
    WITH_TAMPER = "with_tamper"  # sensors are gone together, with tamper alarm, open door or lost link
    SENSORS = "sensors"  # sensors are gone together and stay away, and nothing else is heard of it


class Lost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A plug whose sensor reads what an open or shorted one does, and when it was read last."""

    connector_id: int
    at: datetime
    read_at: datetime | None = None


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sensors that are gone, when the station was tampered with last, and how, and when its link was lost last.
    `proved`: why the sensors that are gone were found to be cut off, which what is silent later does not undo."""

    lost: tuple[Lost, ...] = ()
    alarm_at: datetime | None = None
    alarm: str = ""
    reported: tuple[int, ...] = ()
    silent_at: datetime | None = None
    proved: Reason | None = None


_MET = (Reason.WITH_TAMPER, Reason.SENSORS)
_WHOLE = Verdict(standing=Standing.NOT_MET, reason=Reason.WHOLE)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    if memory is None and _quiet(subject):
        return _WHOLE
    memory = _with_news(memory or Memory(), subject, now)
    clear_after_s = thresholds["clear_after_s"]
    if memory.reported:
        numbers = ",".join(map(str, memory.reported))
        return Verdict(
            standing=Standing.MET,
            reason=Reason.REPORTED,
            variant=f"reported {numbers}",
            clear_after_s=clear_after_s,
            memory=memory,
        )
    reason, check_at = _sensors(memory, thresholds, now)
    met = reason in _MET
    memory = msgspec.structs.replace(memory, proved=reason if met else None)
    return Verdict(
        standing=Standing.MET if met else Standing.NOT_MET,
        reason=reason,
        variant=str(reason) if met else "",
        clear_after_s=clear_after_s,
        check_at=check_at,
        memory=memory if memory != Memory() else None,
    )


def _calm(memory: Any, sample: Sample, thresholds: Thresholds) -> bool:
    """The plug's sensor reads what it can."""
    if memory is not None or _DOOR in sample.values:
        return False
    for name in PLUG:
        celsius = sample.values.get(name)
        if celsius is not None and not LOWEST_C < celsius < HIGHEST_C:
            return False
    return True


def _quiet(subject: Subject) -> bool:
    """Whether there is nothing to look at: it is asked with every temperature of a plug."""
    for fact in subject.news.facts:
        if isinstance(fact, SecurityEventReported | LinkDown):
            return False
    whole = subject.view.connectors.get(0)
    if whole is not None and _DOOR in whole.devices:
        return False
    for connector in subject.view.connectors.values():
        if connector.mrec or connector.problems or _broken(connector):
            return False
    return True


def _broken(connector: ConnectorView) -> bool:
    """Whether its plug's sensor reads what only an open or shorted one does."""
    known = _read(connector)
    return known is not None and not LOWEST_C < known.value < HIGHEST_C


def _read(connector: ConnectorView) -> Latest | None:
    """What its plug's sensor read last."""
    for name in PLUG:
        known = connector.devices.get(name) or connector.latest.get(name)
        if known is not None:
            return known
    return None


def _with_news(memory: Memory, subject: Subject, now: datetime) -> Memory:
    known = {one.connector_id: one for one in memory.lost}
    lost = tuple(
        _lost(connector, known.get(connector.connector_id), now)
        for connector in subject.view.connectors.values()
        if connector.connector_id and _gone(connector, known.get(connector.connector_id))
    )
    alarm_at, alarm = _alarm(memory, subject, now)
    return Memory(
        lost=lost,
        alarm_at=alarm_at,
        alarm=alarm,
        reported=_reported(memory, subject),
        silent_at=_silent_at(memory, subject, now),
        proved=memory.proved,
    )


def _lost(connector: ConnectorView, lost: Lost | None, now: datetime) -> Lost:
    known = _read(connector)
    return Lost(connector.connector_id, lost.at if lost else now, known.at if known is not None else None)


def _gone(connector: ConnectorView, lost: Lost | None) -> bool:
    """Whether it cannot be read, and no power has flowed since: else the cable is there."""
    if not _broken(connector):
        return False
    if lost is None:
        return True
    session = connector.session
    flows_at = session.first_flow_at if session is not None else connector.good_at
    return flows_at is None or flows_at <= lost.at


def _alarm(memory: Memory, subject: Subject, now: datetime) -> tuple[datetime | None, str]:
    """The last sign that somebody was at the station."""
    for fact in subject.news.facts:
        if isinstance(fact, SecurityEventReported) and fact.event == _TAMPER:
            return now, "tamper alarm"
    whole = subject.view.connectors.get(0)
    door = whole.devices.get(_DOOR) if whole is not None else None
    if door is not None and door.value > 0 and (memory.alarm_at is None or door.at > memory.alarm_at):
        return door.at, "door open"
    if memory.alarm_at is not None and now - memory.alarm_at > _FORGET:
        return None, ""
    return memory.alarm_at, memory.alarm


def _silent_at(memory: Memory, subject: Subject, now: datetime) -> datetime | None:
    """When the link was lost last."""
    if any(isinstance(fact, LinkDown) for fact in subject.news.facts):
        return now
    if memory.silent_at is not None and now - memory.silent_at > _FORGET and not memory.lost:
        return None
    return memory.silent_at


def _reported(memory: Memory, subject: Subject) -> tuple[int, ...]:
    """Connectors that say it now; of one that has not spoken since the link was lost, what it said last."""
    found = []
    for connector in subject.view.connectors.values():
        number = connector.connector_id
        says = (connector.mrec or connector.problems) and _CODE in codes_of(subject.view, connector)
        if says or (connector.stale and number in memory.reported):
            found.append(number)
    return tuple(found)


def _sensors(memory: Memory, thresholds: Thresholds, now: datetime) -> tuple[Reason, datetime | None]:
    within = timedelta(seconds=thresholds["within_s"])
    if not memory.lost:
        return Reason.WHOLE, None
    if len(memory.lost) < thresholds["connectors"]:
        return Reason.ONE_SENSOR, None
    if memory.proved is not None:
        return memory.proved, None
    first, last = min(one.at for one in memory.lost), max(one.at for one in memory.lost)
    if last - first > within:
        return Reason.APART, None
    if memory.alarm_at is not None and first - within <= memory.alarm_at <= last + within:
        return Reason.WITH_TAMPER, None
    if memory.silent_at is not None and memory.silent_at >= first - within:
        # A power cut takes the plug sensors first and the link next: only who reads on has power.
        if any(one.read_at is None or one.read_at < memory.silent_at + within for one in memory.lost):
            return Reason.SILENT, None
        if memory.silent_at <= last + within:
            return Reason.WITH_TAMPER, None
    due = last + timedelta(seconds=thresholds["alone_s"])
    return (Reason.SENSORS, None) if now >= due else (Reason.WAITING, due)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    numbers = memory.reported or tuple(one.connector_id for one in memory.lost)
    where = ", ".join(str(number) for number in numbers)
    station_id = subject.view.station_id
    sure = bool(memory.reported) or memory.proved is Reason.WITH_TAMPER
    since = min((one.at for one in memory.lost), default=now)
    said = "reports its cable cut" if memory.reported else "has lost the sensors of its plugs together"
    return Finding(
        fault=RULE.code,
        asset=_asset(subject, numbers),
        station_id=station_id,
        connector_id=numbers[0] if len(numbers) == 1 else None,
        severity=Severity.P1 if sure else Severity.P2,
        at=now,
        since=since,
        probable_cause=(
            "The cable was cut or torn off: theft, or a vehicle that drove away."
            if sure
            else "Its cables were cut, or the board that reads their sensors failed."
        ),
        explanation=f"{station_id} {said} (connector {where}).",
        suggested_action=RULE.action,
        evidence=tuple(_evidence(memory, thresholds, numbers)),
        mrec=RULE.mrec,
        confidence=0.95 if memory.reported else 0.85 if sure else 0.6,
    )


def _evidence(memory: Memory, thresholds: Thresholds, numbers: tuple[int, ...]) -> Iterable[Evidence]:
    if memory.reported:
        yield Evidence(label="Reported by connector", value=", ".join(map(str, numbers)), threshold=_CODE)
    for one in memory.lost:
        yield Evidence(
            label=f"Plug sensor of connector {one.connector_id}",
            value="open or short",
            threshold=f"{LOWEST_C:.0f} to {HIGHEST_C:.0f} C; {thresholds['connectors']:.0f} within "
            f"{span(thresholds['within_s'])}",
            at=one.at,
        )
    if memory.alarm_at is not None:
        yield Evidence(label="Alarm", value=memory.alarm, at=memory.alarm_at)
    elif memory.silent_at is not None and memory.proved is Reason.WITH_TAMPER:
        yield Evidence(label="Alarm", value="link lost", at=memory.silent_at)


def _asset(subject: Subject, numbers: tuple[int, ...]) -> Asset:
    """The cable where it is one, else the station."""
    if len(numbers) != 1:
        return station_asset(subject)
    known = subject.station.connector(numbers[0]) if subject.station is not None else None
    if known is not None and known.cable_id:
        return Asset(kind="cable", id=known.cable_id)
    return Asset(kind="connector", id=f"{subject.view.station_id}/{numbers[0]}")


RULE = Rule(
    code="cut_cable",
    title="Cable cut",
    scope=Scope.STATION,
    asset="cable",
    severity=Severity.P1,
    mrec=(_CODE,),
    thresholds=(
        Threshold(name="connectors", default=2, unit="connectors", doc="so many must lose their plug sensors"),
        Threshold(name="within_s", default=600, unit="s", doc="within this time, and so close to an alarm"),
        Threshold(
            name="alone_s", default=1800, unit="s", doc="how long they must stay away where nothing else is heard"
        ),
        Threshold(name="clear_after_s", default=60, unit="s", doc="how long all must be whole again"),
    ),
    clears="CX026 is no longer reported; the sensors read again, or power flows through the cable.",
    action="Switch off, secure the ends, replace the cable; report theft.",
    doc=(
        "CX026 (OCPP 2.x: the component CableBreakawaySensor in trouble) at once; or the plug sensors of two "
        "connectors read what an open or shorted sensor does, within 10 minutes, with a tamper alarm, an open "
        "door or a lost link about the same time (P1), or for 30 minutes without anything else (P2, less sure). "
        "Where the link is lost too, they must be read so again 10 minutes later: a power cut takes the sensors, "
        "then the link, and all of them come back well. Not for one sensor, which is broken; not while power "
        "flows through the cable."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.EVENT, Wake.SECURITY, Wake.LINK, Wake.BOOT, Wake.ENDED, Wake.SAMPLE}),
    fields=frozenset({*PLUG, _DOOR}),
    calm=_calm,
    absorbed_by=("site_outage",),
)
