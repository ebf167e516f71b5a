"""Voltage falls too much under load: a loose terminal or too thin a cable before the station."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import fmean, median, stdev
from typing import Any

import msgspec

from detector.limits import is_dc
from detector.mains import drawn, volts_of
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake
from detector.slope import Line, add
from detector.view import Sample
from laddvakt.domain.tickets import Evidence, Finding, Severity

_THIN = timedelta(seconds=110)
_THIN_IDLE = timedelta(minutes=10)
"""While current is steady, a sample in two minutes tells as much as one a second."""
_NO_TIME = timedelta(0)
_FADED = timedelta(hours=1)
_STEP_A = 2.0
_FRESH = timedelta(minutes=3)
_IDLE_A = 1.0
_LOST = 0.5
_NOMINAL_V = 230.0
"""Voltages are kept as what they differ from this: sums of squares stay small."""
_SPREAD = 0.4  # of a step: the least standard deviation of current that tells of one
_RECENT = 5
_BACK = 0.8
_CLEARLY = 1.25  # times the limit: more than the grid's drift in a session makes of a sound supply
_GROWN = 1.3  # times what is usual here: a long cable near the limit is no loose terminal
_ALIKE = 1.15  # times: changes of current that are the same on all phases
_SURE = 5.0  # standard errors: a phase differs from the others by more than chance makes it
_LEAST_LEARNT = 5
_MOST_LEARNT = 60  # sessions: about thirty days of a busy connector


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_VALUES = "no_values"  # currents and voltages of the phases are not measured
    TOO_FEW = "too_few"  # too few sessions whose current changed enough
    STIFF = "stiff"  # voltage hardly falls
    SAGS = "sags"  # it falls too much, in session after session


class Usual(msgspec.Struct, frozen=True, array_like=True):
    """The mean of good sessions."""

    n: int = 0
    ohm: float = 0.0


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """What one session said. `more`: than the other phases in the same session, where all three were loaded: what
    the grid does meanwhile it mostly does to all of them."""

    at: datetime
    ohm: float
    limit: float
    r_squared: float
    spread_a: float
    more: float | None = None


class Phase(msgspec.Struct, frozen=True, array_like=True):
    """One phase. `lines` are voltage over current now, as each meter (source and connector) reads it: two meters
    are volts apart, and no line goes through both. `best` is the one with the widest spread in this session.
    `alone` and `together`: usual when this phase carries current alone, or all three do: the neutral then carries
    none, and half of the cable is left out."""

    lines: dict[str, Line] = {}
    best: Line | None = None
    alone: Usual = Usual()
    together: Usual = Usual()
    recent: tuple[Seen, ...] = ()


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """`amps`: of the whole station, by phase, at the last sample that was used. `drift_v`: how far the grid has
    moved by an idle neighbour's word, since we began; `neighbour` is the last that was idle, and its voltage."""

    phases: tuple[Phase, ...] = ()
    amps: tuple[float, ...] = ()
    at: datetime | None = None
    neighbour: str = ""
    neighbour_v: float = 0.0
    drift_v: float = 0.0
    found: int = -1  # the phase


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    for sample in subject.news.samples:
        memory = _sample(memory, subject, sample, thresholds)
    if subject.news.ended and memory.phases:
        memory = _judged(memory, thresholds, now)
    if memory.found >= 0:
        variant = f"L{memory.found + 1}"
        return Verdict(standing=Standing.MET, reason=Reason.SAGS, variant=variant, memory=memory)
    if not memory.phases:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.NO_VALUES)
    few = max([len(phase.recent) for phase in memory.phases]) < thresholds["sessions"]
    return Verdict(standing=Standing.NOT_MET, reason=Reason.TOO_FEW if few else Reason.STIFF, memory=memory)


def _sample(memory: Memory, subject: Subject, sample: Sample, thresholds: Thresholds) -> Memory:
    volts, amps, at = sample.voltages, sample.currents, sample.at
    if len(volts) not in (1, 3) or len(amps) != len(volts) or "soc_pct" in sample.values:
        return memory
    total = amps if len(amps) == 1 else drawn(subject.view, at - _FRESH)
    if total is None or _told_already(memory, at, total):
        return memory
    if min(volts) < _LOST * max(volts) or is_dc(subject):
        return memory
    memory = _with_neighbour(memory, subject, at)
    phases = memory.phases if len(memory.phases) == len(volts) else (Phase(),) * len(volts)
    grown = tuple(
        _with_sample(phase, sample, total[index], volts[index] - memory.drift_v - _NOMINAL_V, thresholds)
        for index, phase in enumerate(phases)
    )
    return msgspec.structs.replace(memory, phases=grown, amps=total, at=at)


def _calm(memory: Any, sample: Sample, thresholds: Thresholds) -> bool:
    """Nothing is drawn, as before, and the last sample that said so is not old."""
    if memory is None or memory.at is None or sample.transaction or max(sample.currents, default=0.0) > _IDLE_A:
        return False
    return max(memory.amps, default=0.0) <= _IDLE_A and sample.at - memory.at < _THIN_IDLE


def _told_already(memory: Memory, at: datetime, total: tuple[float, ...]) -> bool:
    """Whether it is no later than the last sample, or soon after it with the same current."""
    if memory.at is None:
        return False
    passed = at - memory.at
    if passed <= _NO_TIME:
        return True
    if passed >= (_THIN if max(total) > _IDLE_A else _THIN_IDLE) or len(memory.amps) != len(total):
        return False
    return max([abs(before - now) for before, now in zip(memory.amps, total, strict=True)]) < _STEP_A


def _with_sample(phase: Phase, sample: Sample, amps: float, volts: float, thresholds: Thresholds) -> Phase:
    meter, at = f"{sample.source}/{sample.connector_id}", sample.at
    line = add(phase.lines.get(meter), at, amps, volts, thresholds["fade_s"])
    lines = {name: one for name, one in phase.lines.items() if at - one.at < _FADED} | {meter: line}
    best = phase.best
    if line.spread >= _SPREAD * thresholds["step_a"] and (best is None or line.spread > best.spread):
        best = line
    return Phase(lines, best, phase.alone, phase.together, phase.recent)


def _with_neighbour(memory: Memory, subject: Subject, at: datetime) -> Memory:
    """The grid's own movement, as an idle neighbour sees it: its mean over the phases since it was asked last."""
    for view in subject.network.siblings(subject.view):
        if memory.neighbour and view.station_id != memory.neighbour:
            continue
        volts, amps = volts_of(view, at - _FRESH), drawn(view, at - _FRESH)
        if volts is None or amps is None or max(amps) > _IDLE_A:
            continue
        mean_v = sum(volts) / len(volts)
        moved_v = mean_v - memory.neighbour_v if memory.neighbour else 0.0
        return msgspec.structs.replace(
            memory, neighbour=view.station_id, neighbour_v=mean_v, drift_v=memory.drift_v + moved_v
        )
    return msgspec.structs.replace(memory, neighbour="") if memory.neighbour else memory


def _judged(memory: Memory, thresholds: Thresholds, now: datetime) -> Memory:
    """A session is over: what it said of each phase."""
    loaded = sum(phase.best is not None for phase in memory.phases)
    together = loaded == len(memory.phases) and loaded > 1
    apart = _apart(memory.phases) if together else [None] * len(memory.phases)
    phases = tuple(
        _with_session(phase, more, now, thresholds, together=together)
        for phase, more in zip(memory.phases, apart, strict=True)
    )
    found = memory.found
    if found >= 0 and _fallen(phases[found], 2, over=False) and not _uneven(phases[found], thresholds):
        found = -1
    if found < 0:
        over = [i for i, phase in enumerate(phases) if _sags(phase, thresholds, told=bool(memory.neighbour))]
        found = max(over, key=lambda index: phases[index].recent[-1].ohm, default=-1)
    return msgspec.structs.replace(memory, phases=phases, found=found)


def _sags(phase: Phase, thresholds: Thresholds, *, told: bool) -> bool:
    """Whether sessions enough are over their limit: more of them where no idle neighbour told of the grid's drift
    and they are little over it. Or the other phases show in them all that it is this one."""
    if _uneven(phase, thresholds):
        return True
    enough = int(thresholds["sessions"])
    clear = all(one.ohm > _CLEARLY * one.limit for one in phase.recent[-enough:])
    untold = min(int(thresholds["untold_sessions"]), _RECENT)
    return _fallen(phase, enough if told or clear else max(enough, untold), over=True)


def _apart(phases: tuple[Phase, ...]) -> list[float | None]:
    """By how much each phase falls further than the others (their median), in ohms; None where their currents
    changed by different amounts: the neutral then carries some, and adds its own to whose changed most."""
    spreads = [phase.best.spread for phase in phases if phase.best is not None]
    if max(spreads) > _ALIKE * min(spreads):
        return [None] * len(phases)
    ohms = [-phase.best.slope for phase in phases if phase.best is not None]
    return [ohm - median([*ohms[:index], *ohms[index + 1 :]]) for index, ohm in enumerate(ohms)]


def _uneven(phase: Phase, thresholds: Thresholds) -> bool:
    """Whether the last sessions agree that this phase has twice the others' resistance, and clearly more."""
    told = [(one.ohm, one.more) for one in phase.recent if one.more is not None]
    if len(told) < _RECENT:
        return False
    mean, more = fmean([ohm for ohm, _ in told]), fmean([more for _, more in told])
    error = stdev([more for _, more in told]) / math.sqrt(len(told))
    return more >= max(thresholds["uneven_ohm"], _SURE * error) and mean >= thresholds["times"] * (mean - more)


def _fallen(phase: Phase, sessions: int, *, over: bool) -> bool:
    """Whether the last sessions are all over their limit, or all well under it."""
    last = phase.recent[-sessions:]
    if len(last) < sessions:
        return False
    return all(one.ohm > one.limit if over else one.ohm < _BACK * one.limit for one in last)


def _with_session(
    phase: Phase, more: float | None, now: datetime, thresholds: Thresholds, *, together: bool
) -> Phase:
    best = phase.best
    if best is None:
        return phase
    ohm, usual = -best.slope, phase.together if together else phase.alone
    limit = thresholds["ohm"]
    if usual.n >= _LEAST_LEARNT:
        limit = min(limit, max(thresholds["times"] * usual.ohm, thresholds["least_ohm"]))
        limit = max(limit, _GROWN * usual.ohm)
    over = ohm > limit
    if over and best.r_squared < thresholds["r_squared"]:
        return Phase(phase.lines, None, phase.alone, phase.together, phase.recent)  # it says nothing
    seen = Seen(now, ohm, limit, best.r_squared, best.spread, more)
    recent = (*phase.recent[-(_RECENT - 1) :], seen)
    learnt = usual if over else _learnt(usual, max(ohm, 0.0))
    alone, all_three = (phase.alone, learnt) if together else (learnt, phase.together)
    return Phase(phase.lines, None, alone, all_three, recent)


def _learnt(usual: Usual, ohm: float) -> Usual:
    n = min(usual.n + 1, _MOST_LEARNT)
    return Usual(n, usual.ohm + (ohm - usual.ohm) / n)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    found: Phase = memory.phases[memory.found]
    name, last = f"L{memory.found + 1}", found.recent[-1]
    recent = [one for one in found.recent if one.ohm > one.limit]
    uneven = len(recent) < thresholds["sessions"] and _uneven(found, thresholds)
    if uneven:
        recent = list(found.recent)
    usual = max((found.alone, found.together), key=lambda one: one.n)
    learnt = f"usual here {usual.ohm:.2f} ohm, {usual.n} sessions" if usual.n else ""
    return RULE.finding(
        subject,
        now,
        since=recent[0].at if recent else last.at,
        probable_cause=f"A terminal, fuse holder or joint of {name} or the neutral is loose or burnt.",
        explanation=(
            f"Voltage on {name} of {subject.view.station_id} falls by {last.ohm:.2f} V for each ampere: "
            f"{last.ohm * 16:.0f} V at 16 A."
        ),
        evidence=(
            *(
                Evidence(
                    label=f"Resistance before {name}",
                    value=f"{one.ohm:.2f} ohm",
                    threshold=f"{one.ohm - (one.more or 0.0):.2f} ohm, twice"
                    if uneven
                    else f"{one.limit:.2f} ohm",
                    peers="the other phases" if uneven else learnt,
                    at=one.at,
                )
                for one in (recent if uneven else recent[-int(thresholds["sessions"]) :])
            ),
            Evidence(
                label="Share of the voltage's changes that current explains",
                value=f"{100 * last.r_squared:.0f} %",
                threshold=f"{100 * thresholds['r_squared']:.0f} %",
            ),
        ),
        confidence=0.9,
    )


RULE = Rule(
    code="supply_resistance",
    title="Voltage sags under load",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P2,
    mrec=("CX006",),  # what a station says whose voltage falls too far
    thresholds=(
        Threshold(name="ohm", default=0.4, unit="ohm", doc="resistance before a phase that is too much anywhere"),
        Threshold(name="times", default=2, unit="x", doc="times what is usual here, once five sessions have told"),
        Threshold(name="least_ohm", default=0.3, unit="ohm", doc="less is never too much, whatever is usual"),
        Threshold(
            name="uneven_ohm", default=0.1, unit="ohm", doc="more than the other phases, where five sessions agree"
        ),
        Threshold(name="step_a", default=10, unit="A", doc="by so much current must have changed in a session"),
        Threshold(
            name="r_squared", default=0.6, unit="share", doc="of the voltage's variance that current explains"
        ),
        Threshold(name="fade_s", default=600, unit="s", doc="samples this old weigh 1/e: the grid moves, too"),
        Threshold(name="sessions", default=3, unit="sessions", doc="so many in a row, of those that can tell"),
        Threshold(
            name="untold_sessions",
            default=5,
            unit="sessions",
            doc="the same where no idle neighbour tells how the grid drifts, and under 1.25 limits (at most 5)",
        ),
    ),
    clears="Two sessions in a row find less than four fifths of the limit.",
    action="Switch off and tighten the supply terminals of phases and neutral to torque; look for burnt marks.",
    doc=(
        "A line through voltage over current, by least squares with fading samples; its slope, taken where "
        "current was spread most, is the resistance before the station. Current is the sum of the station's "
        "connectors. Over 0.4 ohm, or over twice what is usual here and 0.3 ohm (a sound loop of 50 m of 6 mm2 "
        "copper has that), and 1.3 times what is usual in any case, in three sessions whose current changed by "
        "10 A and explains 0.6 of the variance; in five, if it is little and no idle station of the site tells "
        "how the grid drifts. Or where a phase has twice the others' and 0.1 ohm more (26 W in a terminal at 16 "
        "A) in the mean of five sessions that load all phases alike, by five standard errors: the grid and long "
        "cables do the same to each. One- and three-phase sessions have usual values each, for only the former "
        "load the neutral. Not for the grid's drift: samples fade, and what an idle station of the site sees "
        "meanwhile is subtracted. Source: IEC 60364-6 (loop impedance); IEC TR 60725 (nine in ten homes have "
        "under 0.24 ohm in a phase and 0.16 ohm in the neutral)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.ENDED}),
    fields=frozenset({"voltage_v", "voltage_l1_v"}),
    calm=_calm,
    inhibited_by=("phase_loss",),
)
