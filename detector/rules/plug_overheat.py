"""A plug gets dangerously hot."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from detector.assets import cable_asset
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.temperatures import PLUG, Probe, air_of, plug_of
from detector.view import Sample, SessionEnded
from laddvakt.domain.tickets import Evidence, Finding, Severity

_GOOD_WH = 2000.0
_LOOSE = 2  # times as many samples of a sensor that has leapt lately
_WARN, _DERATE, _STOP = "warn", "derate", "stop"


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_SENSOR = "no_sensor"  # no temperature of the plug is said, or what it says cannot be one
    DOUBTED = "doubted"  # the sensor has stepped as no plug can
    COOL = "cool"  # as it should be
    ONCE = "once"  # hot in one sample, which the next has to confirm
    HOT = "hot"  # hot now
    WAS_HOT = "was_hot"  # it has cooled, and no session has shown yet that it stays so


class Peak(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The hottest moment: since when it was hot, and what flowed in the fullest phase or output (-1: not said)."""

    since: datetime
    at: datetime
    celsius: float
    amps: float


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Both sensors (of the station, of a device), how many believable samples of each in a row were hot, what
    stands. `hottest`: of the session that runs; `good`: sessions since that stayed cool."""

    station: Probe | None = None
    station_over: int = 0
    device: Probe | None = None
    device_over: int = 0
    last_c: float = 0.0
    hottest_c: float = -99.0
    peak: Peak | None = None
    good: int = 0


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    reason = Reason.COOL if memory.station or memory.device else Reason.NO_SENSOR
    for sample in subject.news.samples:
        celsius = plug_of(sample.values)
        if celsius is not None:
            memory, reason = _sample(memory, subject, sample, celsius, thresholds)
    for session in subject.news.ended:
        memory = _ended(memory, session, thresholds)
    if memory.peak is None:
        return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory)
    return Verdict(
        standing=Standing.MET,
        reason=Reason.HOT if memory.last_c > thresholds["clear_c"] else Reason.WAS_HOT,
        variant=_stage(memory.peak.celsius, thresholds),
        memory=memory,
    )


def _stage(celsius: float, thresholds: Thresholds) -> str:
    if celsius >= thresholds["stop_c"]:
        return _STOP
    return _DERATE if celsius >= thresholds["derate_c"] else _WARN


def _amps(subject: Subject, sample: Sample) -> float:
    """What flows, from the sample or else the station's last."""
    if sample.currents:
        return max(sample.currents)
    connector = subject.connector
    latest = connector.latest if connector is not None else {}
    found = [
        v.value
        for name in ("current_l1_a", "current_l2_a", "current_l3_a", "current_a")
        if (v := latest.get(name))
    ]
    return max(found, default=-1.0)


def _sample(
    memory: Memory, subject: Subject, sample: Sample, celsius: float, thresholds: Thresholds
) -> tuple[Memory, Reason]:
    replace = msgspec.structs.replace
    own = sample.source == "ocpp"
    before, over = (memory.station, memory.station_over) if own else (memory.device, memory.device_over)
    probe = Probe(sample.at, celsius) if before is None else before.after(sample.at, celsius)
    if not probe.doubt:
        over = over + 1 if celsius >= thresholds["warn_c"] else 0
    taken = {"station": probe, "station_over": over} if own else {"device": probe, "device_over": over}
    if probe.doubt:
        return replace(memory, **taken), Reason.DOUBTED
    memory = replace(memory, last_c=celsius, hottest_c=max(memory.hottest_c, celsius), **taken)
    if not over:
        return memory, Reason.COOL
    if over < thresholds["samples"] * (_LOOSE if probe.leaps(sample.at) else 1):
        return memory, Reason.ONCE
    peak = memory.peak
    if peak is None or celsius > peak.celsius:
        since = peak.since if peak is not None else sample.at
        memory = replace(memory, peak=Peak(since, sample.at, celsius, _amps(subject, sample)))
    return replace(memory, good=0), Reason.HOT


def _ended(memory: Memory, session: SessionEnded, thresholds: Thresholds) -> Memory:
    """Cooling down proves nothing: sessions that stay cool do."""
    cool = -99.0 < memory.hottest_c < thresholds["warn_c"]
    good = memory.good + 1 if memory.peak is not None and cool and session.energy_wh >= _GOOD_WH else memory.good
    mended = good >= thresholds["good_sessions"] and memory.last_c < thresholds["clear_c"]
    return msgspec.structs.replace(
        memory, hottest_c=-99.0, good=0 if mended else good, peak=None if mended else memory.peak
    )


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    peak: Peak = memory.peak
    stage = _stage(peak.celsius, thresholds)
    air_c = air_of(subject, now)
    evidence = [
        Evidence(
            label="Plug temperature",
            value=f"{peak.celsius:.0f} °C",
            threshold=f"{thresholds[f'{stage}_c']:.0f} °C",
            at=peak.at,
        ),
        Evidence(label="Last", value=f"{memory.last_c:.0f} °C", threshold=f"{thresholds['clear_c']:.0f} °C"),
    ]
    if peak.amps >= 0:
        evidence.append(Evidence(label="Current then", value=f"{peak.amps:.0f} A", at=peak.at))
    if air_c is not None:
        evidence.append(Evidence(label="Around the station now", value=f"{air_c:.0f} °C"))
    return RULE.finding(
        subject,
        now,
        asset=cable_asset(subject),
        since=peak.since,
        probable_cause="Worn, loose or dirty contacts, or failed cooling of a liquid-cooled cable.",
        explanation=f"The plug of {place(subject)} reached {peak.celsius:.0f} °C.",
        suggested_action=_ACTIONS[stage],
        evidence=tuple(evidence),
        confidence=0.95,
    )


_ACTIONS = {
    _WARN: "Look at the contacts for discolouration, check cooling; replace cable or socket before it gets worse.",
    _DERATE: "Reduce its current or keep it out of use. Look at contacts and cooling; replace cable or socket.",
    _STOP: "Keep out of use at once. Look at contacts and cooling; replace cable or socket.",
}


RULE = Rule(
    code="plug_overheat",
    title="Plug too hot",
    scope=Scope.CONNECTOR,
    asset="cable",
    severity=Severity.P1,
    mrec=("CX018", "CX019"),
    thresholds=(
        Threshold(name="warn_c", default=78, unit="°C", doc="from here a plug is too hot"),
        Threshold(name="derate_c", default=90, unit="°C", doc="from here its current must be reduced"),
        Threshold(name="stop_c", default=120, unit="°C", doc="from here it must not be used"),
        Threshold(name="clear_c", default=58, unit="°C", doc="it must have cooled so far"),
        Threshold(name="samples", default=2, unit="samples", doc="hot ones in a row"),
        Threshold(name="good_sessions", default=2, unit="sessions", doc="of 2 kWh that must stay under the first"),
    ),
    clears="Under 58 °C, after two sessions of 2 kWh or more that stayed under 78 °C.",
    action=_ACTIONS[_WARN],
    doc=(
        "The plug is at 78 °C or more in two samples in a row: of the station (OCPP 1.6 Temperature at Outlet or"
        " Cable, OCPP 2.x an event of the component Connector) or of a device (MQTT `plug_temperature_c`). Not "
        "for an open or shorted sensor (under -40 or over 150 °C), nor for one that steps by over 30 K in a "
        "minute, unless it stays there for ten; one that leapt and came back within the day is asked for twice as "
        "many samples. Cooling down alone does not clear it: the next vehicle heats it "
        "again. Source: IEC 62196-1 (terminals may warm by 50 K)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.ENDED}),
    fields=frozenset(PLUG),
)
