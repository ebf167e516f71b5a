"""Current flows although no session runs: a contactor that does not open."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place, span
from detector.runs import MAX_GAP, Run, longer
from detector.view import ConnectorView, Power, Sample
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity

_CHARGES = {ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}
_INLET = ("inlet/power_w", "inlet/power_l1_w", "inlet/current_a", "inlet/current_l1_a")


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    IN_SESSION = "in_session"  # a session runs: current is as it should be
    NO_SESSIONS_KNOWN = "no_sessions_known"  # the station has never told of one: nobody can say what is outside
    ANOTHER_SESSION = "another_session"  # it names a transaction that we do not know, or says that it charges
    LINK_UNSETTLED = "link_unsettled"  # no link, or one so new that starts may still be in the station's queue
    NOTHING_FLOWS = "nothing_flows"
    WAITING = "waiting"  # it flows, not yet long enough
    FLOWS = "flows"  # it flowed for long enough, and sessions enough without it have not ended since


class Point(NamedTuple):
    """What the station's meter said outside any session."""

    at: datetime
    wh: float
    watts: float


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """`own_w`: what its electronics take with nothing plugged in. `sessions`: ended since it flowed. `meter`: what
    the station's meter said when it flowed last."""

    run: Run | None = None
    found: Run | None = None
    sessions: int = 0
    own_w: float = 0.0
    foreign_at: datetime | None = None  # the last sample of a transaction that we do not know
    meter: Point | None = None


_IN_SESSION = Verdict(standing=Standing.NOT_MET, reason=Reason.IN_SESSION)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    connector = subject.connector
    if memory is None and connector is not None and connector.session is not None:
        return _IN_SESSION
    memory = _with_sessions(memory or Memory(), subject, thresholds)
    memory, reason = _judge(subject, memory, thresholds, now)
    if memory.found is not None:
        return Verdict(standing=Standing.MET, reason=Reason.FLOWS, memory=memory)
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory if memory != Memory() else None)


def _calm(memory: Any, sample: Sample, thresholds: Thresholds) -> bool:
    """Nothing flows."""
    return memory is None and not sample.foreign and (sample.power is None or sample.power.watts <= 0)


def _with_sessions(memory: Memory, subject: Subject, thresholds: Thresholds) -> Memory:
    if memory.found is None or not subject.news.ended:
        return memory
    sessions = memory.sessions + len(subject.news.ended)
    if sessions >= thresholds["good_sessions"]:
        return msgspec.structs.replace(memory, run=None, found=None, sessions=0)
    return msgspec.structs.replace(memory, sessions=sessions)


def _judge(subject: Subject, memory: Memory, thresholds: Thresholds, now: datetime) -> tuple[Memory, Reason]:
    connector = subject.connector
    if connector is None or connector.session is not None:
        return _at_rest(memory), Reason.IN_SESSION
    if not connector.last_transactions:
        return _at_rest(memory), Reason.NO_SESSIONS_KNOWN
    samples = subject.news.samples
    if any(sample.foreign for sample in samples):
        memory = msgspec.structs.replace(memory, foreign_at=now)
    if connector.status in _CHARGES or _lately(memory.foreign_at, now, thresholds):
        return _at_rest(memory), Reason.ANOTHER_SESSION
    if not subject.view.connected or _lately(subject.view.link_since, now, thresholds):
        return _at_rest(memory), Reason.LINK_UNSETTLED
    for sample in samples:
        memory = _sample(memory, connector, sample, thresholds)
    return memory, Reason.WAITING if memory.run is not None else Reason.NOTHING_FLOWS


def _lately(at: datetime | None, now: datetime, thresholds: Thresholds) -> bool:
    return at is not None and now - at < timedelta(seconds=thresholds["settle_s"])


def _at_rest(memory: Memory) -> Memory:
    if memory.run is None and memory.meter is None:
        return memory
    return msgspec.structs.replace(memory, run=None, meter=None)


def _sample(memory: Memory, connector: ConnectorView, sample: Sample, thresholds: Thresholds) -> Memory:
    power, ended_at = sample.power, connector.last_ended_at
    if power is None or sample.transaction or (ended_at is not None and sample.at <= ended_at):
        return memory
    if any(name in sample.values for name in _INLET):
        return memory  # upstream of the contactor: the station itself takes some
    told = not connector.stale and connector.status is not ConnectorState.AVAILABLE
    persist_s = thresholds["persist_s" if told else "untold_s"]
    memory = _counted(memory, sample, persist_s)
    free = connector.status is ConnectorState.AVAILABLE and not connector.stale
    if free and power.watts < thresholds["own_w"]:
        own_w = max(memory.own_w, power.watts)
        return memory if own_w == memory.own_w and memory.run is None else _resting(memory, own_w)
    if not _flows(sample, power, memory.own_w, thresholds):
        return _at_rest(memory)
    point = _meter(sample, power)
    if point is not None and point[1:] in (memory.meter and memory.meter[1:], _of_session(connector)):
        return memory  # a dead line to the meter says again what it said last: power, and none of it counted
    run = longer(memory.run, sample.at, power.watts)
    found = run if run.lasted(persist_s) else memory.found
    sessions = memory.sessions if found is memory.found else 0
    return msgspec.structs.replace(memory, run=run, found=found, sessions=sessions, meter=point)


def _meter(sample: Sample, power: Power) -> Point | None:
    """Register and power of the station's own meter."""
    wh = sample.values.get("energy_wh")
    if wh is None or sample.source != "ocpp" or power.basis != "measured":
        return None
    return Point(sample.at, wh, power.watts)


def _of_session(connector: ConnectorView) -> tuple[float, float] | None:
    """Register and power as the station's meter said them last in the session that is over."""
    power, register = connector.power, connector.register
    return (register.wh, power.watts) if power is not None and register is not None else None


def _counted(memory: Memory, sample: Sample, persist_s: float) -> Memory:
    """Found also where the register says for how long it flowed: of a meter that is read each quarter of an hour,
    one sample shows it, and the next what was counted since."""
    meter, wh = memory.meter, sample.values.get("energy_wh")
    if (
        meter is None
        or wh is None
        or sample.source != "ocpp"
        or not timedelta(0) < sample.at - meter.at <= MAX_GAP
    ):
        return memory
    flowed_s = min((wh - meter.wh) * 3600 / meter.watts, (sample.at - meter.at).total_seconds())
    if flowed_s < persist_s:
        return memory
    run = Run(meter.at, meter.at + timedelta(seconds=flowed_s), 2, meter.watts, meter.at)
    return msgspec.structs.replace(memory, found=run, sessions=0)


def _resting(memory: Memory, own_w: float) -> Memory:
    return msgspec.structs.replace(memory, run=None, meter=None, own_w=own_w)


def _flows(sample: Sample, power: Power, own_w: float, thresholds: Thresholds) -> bool:
    """By power where it is measured: filters draw a reactive current."""
    if power.basis == "measured":
        return power.watts > thresholds["power_w"] + own_w
    return max(sample.currents, default=0.0) > thresholds["current_a"] and power.watts > own_w


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    found: Run = memory.found
    connector = subject.connector
    ended_at = connector.last_ended_at if connector is not None else None
    seconds = (found.until - found.since).total_seconds()
    over = thresholds["power_w"] + memory.own_w
    evidence = [
        Evidence(
            label="Power outside any session",
            value=f"{found.worst:.0f} W",
            threshold=f"{over:.0f} W",
            at=found.worst_at,
        ),
        Evidence(label="For", value=span(seconds), threshold=f"{thresholds['persist_s']:.0f} s", at=found.since),
    ]
    if connector is not None:
        evidence.append(Evidence(label="Status", value=str(connector.status), at=connector.status_since))
    if ended_at is not None and ended_at <= found.since:
        evidence.append(Evidence(label="Last session ended", value=f"{ended_at:%Y-%m-%d %H:%M:%S}Z", at=ended_at))
    return RULE.finding(
        subject,
        now,
        since=found.since,
        probable_cause="The contacts of the contactor are welded, or something keeps its coil energised.",
        explanation=f"{place(subject)} passed up to {found.worst:.0f} W although no session ran.",
        evidence=tuple(evidence),
        confidence=0.95,
    )


RULE = Rule(
    code="welded_contactor",
    title="Current outside any session",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P1,
    mrec=("CX017", "CX024"),
    thresholds=(
        Threshold(name="power_w", default=100, unit="W", doc="power that counts, on top of its own consumption"),
        Threshold(name="current_a", default=0.5, unit="A", doc="the same where only current is measured"),
        Threshold(name="persist_s", default=60, unit="s", doc="how long it must flow, in two samples or more"),
        Threshold(
            name="untold_s",
            default=180,
            unit="s",
            doc="the same where the connector is said to be free, or nothing is: a start may be told late",
        ),
        Threshold(
            name="own_w",
            default=1000,
            unit="W",
            doc="with nothing plugged in, less than this is heaters, fans and electronics",
        ),
        Threshold(
            name="settle_s", default=300, unit="s", doc="how long after a link came up starts may be told late"
        ),
        Threshold(
            name="good_sessions", default=3, unit="sessions", doc="so many must end without it until it is cleared"
        ),
    ),
    clears="Three sessions have ended since, and no current flowed between them.",
    action="Keep out of use: the outlet may be live. Replace the contactor, then test that it opens.",
    doc=(
        "Over 100 W (or 0.5 A where power is not measured) at a connector without a session, for 60 s (three "
        "minutes where its status says that nothing is plugged in: some stations tell late), in samples of the "
        "station or of a device; or one sample shows it, and the station's register says by the next that it "
        "flowed so long. A reading that repeats the one before, register and all, is none. Not while the "
        "link is down or came up within five minutes (a start may wait in the station's queue), not while the "
        "station says that it charges or names a transaction that is not known here, not for values out of a "
        "queue, and not for what the connector itself takes: it is learnt "
        "while nothing is plugged in. Judged once the station has told of a session. Source: IEC 61851-1 "
        "(an outlet is live only while a vehicle asks for it)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.STARTED, Wake.ENDED}),
    charging=False,
    calm=_calm,
)
