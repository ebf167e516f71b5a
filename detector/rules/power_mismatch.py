"""What a station measures contradicts itself: volts times amperes are not the watts that it says."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.limits import LEAST_A
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.view import Sample
from laddvakt.domain.tickets import Evidence, Finding, Severity

_LEAST_W = 1000.0
_MAX_EPISODES = 6
_CARRIES_A = 0.5


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOT_MEASURED = "not_measured"  # voltage, current or power is not said, or next to nothing flows
    NEVER_AGREED = "never_agreed"  # units, phases or places differ: a habit, no fault
    AGREES = "agrees"  # the three agree
    WAITING = "waiting"  # they do not, not yet long enough
    ONE_VEHICLE = "one_vehicle"  # its power factor may be that low
    CONTRADICTS = "contradicts"  # they do not agree, and did before


class Run(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """Samples in a row of one session that agree (or do not), with so many phases in use. `ratio`: their mean of
    watts over volts times amperes. `told`: what they show is known already."""

    transaction: str = ""
    agrees: bool = True
    phases: int = 0
    since: datetime | None = None
    samples: int = 0
    ratio: float = 0.0
    told: bool = False


class Episode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One session in which they did not agree."""

    at: datetime
    vehicle: str
    ratio: float


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """`agreed`: in how many sessions they did, by phases in use. `good`: sessions that agreed since the last
    episode."""

    run: Run = Run()
    agreed: tuple[int, int, int] = (0, 0, 0)
    episodes: tuple[Episode, ...] = ()
    good: int = 0
    firmware: str = ""


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    connector = subject.connector
    session = connector.session if connector is not None else None
    if memory.firmware != subject.view.firmware:
        memory = Memory(firmware=subject.view.firmware, episodes=memory.episodes)
    reason = Reason.NOT_MEASURED
    if session is not None:
        for sample in subject.news.samples:
            found = ratio_of(sample) if sample.transaction == session.transaction_id else None
            if found is not None:
                memory, reason = _sample(memory, sample, *found, session.vehicle_key, thresholds)
    if memory.episodes and memory.episodes[-1].at < now - timedelta(hours=thresholds["window_h"]):
        memory = msgspec.structs.replace(memory, episodes=())
    return _verdict(memory, reason, thresholds)


def _verdict(memory: Memory, reason: Reason, thresholds: Thresholds) -> Verdict:
    episodes = memory.episodes
    check_at = episodes[-1].at + timedelta(hours=thresholds["window_h"], seconds=1) if episodes else None
    several = len({episode.vehicle for episode in episodes}) >= thresholds["vehicles"]
    impossible = any(episode.ratio > 1 for episode in episodes)
    if several or impossible:
        return Verdict(standing=Standing.MET, reason=Reason.CONTRADICTS, check_at=check_at, memory=memory)
    if episodes:
        reason = Reason.ONE_VEHICLE
    return Verdict(standing=Standing.NOT_MET, reason=reason, check_at=check_at, memory=memory)


def ratio_of(sample: Sample) -> tuple[float, int] | None:
    """Watts over volts times amperes (times the power factor where it is said), and how many phases carry
    current. None where one of the three is not said in the same sample, or little flows."""
    power, amps, volts = sample.power, sample.currents, sample.voltages
    if power is None or power.basis != "measured" or sample.source != "ocpp" or not amps or not volts:
        return None
    if power.watts < _LEAST_W or max(amps) < LEAST_A:
        return None
    apparent = sum(a * v for a, v in zip(amps, volts, strict=True)) if len(amps) == len(volts) else None
    if apparent is None:
        apparent = sum(amps) * sum(volts) / len(volts)
    factor = sample.values.get("power_factor", 1.0)
    expected = apparent * (factor if 0 < factor <= 1 else 1.0)
    if expected <= 0:
        return None
    return power.watts / expected, min(sum(a > _CARRIES_A for a in amps), 3)


def _sample(
    memory: Memory, sample: Sample, ratio: float, phases: int, vehicle: str, thresholds: Thresholds
) -> tuple[Memory, Reason]:
    agrees = abs(ratio - 1) <= thresholds["off_pct"] / 100
    run = memory.run
    if run.told and (run.transaction, run.agrees, run.phases) == (sample.transaction, agrees, phases):
        return memory, Reason.AGREES if agrees else Reason.CONTRADICTS  # as most samples of a session
    run = _longer(run, sample, agrees, phases, ratio)
    memory = msgspec.structs.replace(memory, run=run)
    if not agrees and memory.agreed[phases - 1] < thresholds["agreed_before"]:
        return memory, Reason.NEVER_AGREED
    if run.told:
        return memory, Reason.AGREES if agrees else Reason.CONTRADICTS
    seconds = (sample.at - run.since).total_seconds() if run.since is not None else 0.0
    if run.samples < thresholds["samples"] or seconds < thresholds["for_s"]:
        return memory, Reason.AGREES if agrees else Reason.WAITING
    memory = msgspec.structs.replace(memory, run=msgspec.structs.replace(run, told=True))
    if agrees:
        return _agreed(memory, phases, thresholds), Reason.AGREES
    episodes = (*memory.episodes[-(_MAX_EPISODES - 1) :], Episode(sample.at, vehicle, run.ratio))
    return msgspec.structs.replace(memory, episodes=episodes, good=0), Reason.CONTRADICTS


def _longer(run: Run, sample: Sample, agrees: bool, phases: int, ratio: float) -> Run:
    if (run.transaction, run.agrees, run.phases) != (sample.transaction, agrees, phases):
        return Run(sample.transaction, agrees, phases, sample.at, 1, ratio)
    samples = run.samples + 1
    mean = run.ratio + (ratio - run.ratio) / samples
    return Run(run.transaction, agrees, phases, run.since, samples, mean, run.told)


def _agreed(memory: Memory, phases: int, thresholds: Thresholds) -> Memory:
    agreed = list(memory.agreed)
    agreed[phases - 1] = min(agreed[phases - 1] + 1, 99)
    good = memory.good + 1 if memory.episodes else 0
    mended = good >= thresholds["good_sessions"]
    return msgspec.structs.replace(
        memory,
        agreed=(agreed[0], agreed[1], agreed[2]),
        good=0 if mended else good,
        episodes=() if mended else memory.episodes,
    )


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    episodes: tuple[Episode, ...] = memory.episodes
    ratio = episodes[-1].ratio
    return RULE.finding(
        subject,
        now,
        since=episodes[0].at,
        probable_cause=(
            "A current transformer or voltage tap is loose, or a ratio was set wrong when a part was exchanged."
        ),
        explanation=(
            f"{place(subject)} says {100 * abs(ratio - 1):.0f} % {'more' if ratio > 1 else 'less'} power than its "
            "own voltage and current make. They agreed before."
        ),
        evidence=tuple(
            Evidence(
                label=f"Power over volts times amperes, vehicle {number}",
                value=f"{episode.ratio:.2f}",
                threshold=f"1 ± {thresholds['off_pct'] / 100:.2f}",
                at=episode.at,
            )
            for number, episode in enumerate(episodes, start=1)
        ),
        confidence=0.9,
    )


RULE = Rule(
    code="power_mismatch",
    title="Power contradicts voltage and current",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P3,
    mrec=(),  # ChargeX has none; OCPP: PowerMeterFailure
    thresholds=(
        Threshold(name="off_pct", default=10, unit="%", doc="by which power may differ from volts times amperes"),
        Threshold(name="samples", default=5, unit="samples", doc="so many in a row"),
        Threshold(name="for_s", default=60, unit="s", doc="and for so long"),
        Threshold(name="agreed_before", default=2, unit="sessions", doc="with as many phases, that agreed before"),
        Threshold(name="vehicles", default=2, unit="vehicles", doc="where power is less, which one may cause"),
        Threshold(name="good_sessions", default=2, unit="sessions", doc="that agree, after which it is cleared"),
        Threshold(name="window_h", default=168, unit="h", doc="how long a session counts"),
    ),
    clears="Two sessions on the connector in which the three agree, or none that did not within the window.",
    action="Check ratio and seat of current transformers and voltage taps against a clamp meter.",
    doc=(
        "Power differs from the sum of volts times amperes (times the power factor, where it is said) by over 10"
        " % for five samples and a minute, although both agreed in two sessions before. Less power than that may"
        " be a vehicle's power factor, so it takes two vehicles; more is impossible. Only over 1 kW and 6 A, and"
        " only where all three come in one sample. Not for stations that never agreed, with as many phases in "
        "use: phase sums, line voltages, mains voltage of a DC station, wrong units. New firmware begins anew."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.STARTED}),
    fields=frozenset({"power_w", "power_l1_w"}),
    source="ocpp",
    charging=True,
    slow=True,
    inhibited_by=("offline",),
)
