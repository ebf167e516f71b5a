"""The contacts of a plug wear: it warms more for the same current than it did, and than others do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from statistics import fmean, median, pstdev
from typing import Any

import msgspec

from detector.attribution import attribute
from detector.limits import rated_a
from detector.rules.base import Peers, Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.temperatures import PLUG, air_of, plug_of
from detector.view import SessionEnded
from detector.vocabulary import Lean
from detector.warming import Warming, pin_squares
from laddvakt.domain.tickets import Evidence, Finding, Severity

_LEAST_RATED_A = 10.0
_DAYS = 30
_KNOWN_DAYS = 3
_KNOWN_SESSIONS = 8
_KNOWN_VEHICLES = 3
_KNOWN_PEERS = 4
_TODAY = 5
_FEATURE = "heat"
_DAY_H = 24.0
_SUNNY_H = 12.0  # the sun shines upon a plug for less of the day, and not as strongly at its ends
_ONE_SIDE_H = 6.0  # the same where the next plug is in the shade: upon one side only
_SHADED = 2  # of the sessions that agree
_SPREAD = 0.25  # of what is more than usual: contacts do the same each time, sun and clouds do not
_MOST_AGREEING = 10


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOTHING_SAID = "nothing_said"  # no current, or no temperature of the plug
    LITTLE = "little"  # a session with too little current, too short, or without a temperature to start from
    SUN_MAY = "sun_may"  # warmer, by so little at this current that sun and wind may do it: it tells nothing
    NOTHING_TO_COMPARE = "nothing_to_compare"  # neither its own past nor its peers are known yet
    USUAL = "usual"  # as warm as usual
    BEFORE = "before"  # what it has seen is from before a plug that was too hot stayed cool again
    ONE_VEHICLE = "one_vehicle"  # warmer, with one vehicle: its inlet may be worn
    WORN = "worn"  # warmer than it was and than others are, with several vehicles


class Session(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one session showed: kelvins per ampere squared, and whether that was too much. `begun`: its hour of the
    day (UTC). `shade`: the next plug, idle, was no warmer than the air."""

    at: datetime
    vehicle: str
    heat: float
    high: bool
    begun: float = 0.0
    shade: bool = False


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """`days`: the median of each day that was not out of the ordinary; `today`: of the day `day` so far; `usual`:
    the median of `days`, 0 while there are too few days, sessions (`learnt`) or vehicles (the first ones,
    `vehicles`): of a handful, one that barely warms the plug would make all others look hot. `over`: the last
    sessions in a row over the limit, also those that the sun may explain; `cool`: usual ones since."""

    warming: Warming | None = None
    top_a: float = 0.0  # the highest current ever seen, where the rating is not known
    recent: tuple[Session, ...] = ()
    over: tuple[Session, ...] = ()
    cool: int = 0
    day: int = 0
    today: tuple[float, ...] = ()
    days: tuple[float, ...] = ()
    learnt: int = 0
    vehicles: tuple[str, ...] = ()
    usual: float = 0.0
    reason: str = Reason.NOTHING_SAID
    worn: bool = False


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    for sample in subject.news.samples:
        if sample.transaction:
            memory = _flow(memory, sample.currents, plug_of(sample.values), subject, sample.heard_at or now)
    for session in subject.news.ended:
        memory = _session(memory, session, subject, thresholds, now)
    return Verdict(
        standing=Standing.MET if memory.worn else Standing.NOT_MET,
        reason=Reason(memory.reason),
        memory=memory,
    )


def _flow(
    memory: Memory, amps: tuple[float, ...], celsius: float | None, subject: Subject, at: datetime
) -> Memory:
    if not amps and (celsius is None or memory.warming is None):
        return memory
    top_a = max((memory.top_a, *amps))
    rated = _rated(subject, top_a)
    warming = (memory.warming or Warming(at)).flowing(pin_squares(amps) if amps else None, rated, at)
    if celsius is not None:
        warming = warming.measured(celsius, rated, subject, at)
    return msgspec.structs.replace(memory, warming=warming, top_a=top_a)


def _rated(subject: Subject, top_a: float) -> float:
    return max(rated_a(subject) or top_a, _LEAST_RATED_A)


def _session(
    memory: Memory, session: SessionEnded, subject: Subject, thresholds: Thresholds, now: datetime
) -> Memory:
    """The session is over: what it has shown is compared, and remembered."""
    replace = msgspec.structs.replace
    if memory.warming is None:
        return memory
    rated = _rated(subject, memory.top_a)
    heat, mean_a2 = memory.warming.heat(rated), memory.warming.mean_a2
    shade = memory.warming.in_the_shade
    aired = not math.isnan(memory.warming.rest_air_c) and air_of(subject, now) is not None
    memory = replace(memory, warming=memory.warming.over().flowing(0.0, rated, now), reason=Reason.LITTLE)
    if heat is None:
        return memory
    peers = subject.network.peers(RULE.code, _FEATURE, subject)
    limit = limit_of(memory, peers, thresholds)
    usual = memory.usual or (peers.median if peers is not None else heat)
    over = limit is not None and heat > limit
    more_k = (heat - usual) * mean_a2
    high = over and more_k >= thresholds["least_k"]
    if over and not high and not (aired and memory.usual and more_k >= thresholds["faint_k"]):
        return replace(memory, reason=Reason.SUN_MAY)
    seen = Session(now, session.vehicle, heat, high, _hour(session.started_at), shade)
    if over:
        many = min(int(thresholds["agreeing"]), _MOST_AGREEING)
        before = () if memory.cool else memory.over
        memory = replace(memory, over=(*before, seen)[-many:], cool=0)
    else:
        memory = _learn(replace(memory, cool=memory.cool + 1), heat, session.vehicle, now)
    if high or not over:
        memory = replace(memory, recent=(*memory.recent[-int(thresholds["sessions"]) :], seen))
    if limit is None:
        return replace(memory, reason=Reason.NOTHING_TO_COMPARE)
    return _judge(memory, thresholds)


def _hour(at: datetime) -> float:
    return at.hour + at.minute / 60


def _agree(memory: Memory, thresholds: Thresholds) -> bool:
    """Whether sessions enough in a row, of several vehicles, are over the limit by as much each time, and too far
    apart on the clock for the sun to have shone upon them all: half a day, or a quarter where the next plug was in
    the shade during some of them."""
    over = memory.over
    if memory.cool or len(over) < min(int(thresholds["agreeing"]), _MOST_AGREEING) or not memory.usual:
        return False
    if len({session.vehicle for session in over}) < thresholds["vehicles"]:
        return False
    more = [session.heat - memory.usual for session in over]
    span_h = _ONE_SIDE_H if sum(session.shade for session in over) >= _SHADED else _SUNNY_H
    return pstdev(more) <= _SPREAD * fmean(more) and _span([session.begun for session in over]) > span_h


def _span(hours: Sequence[float]) -> float:
    """The shortest part of the day, in hours, that holds them all."""
    turn = sorted(hours)
    return _DAY_H - max(later - earlier for earlier, later in pairwise((*turn, turn[0] + _DAY_H)))


def limit_of(memory: Memory, peers: Peers | None, thresholds: Thresholds) -> float | None:
    """What is too much: against its own past and against its peers, as far as they are known."""
    limits = []
    if memory.usual:
        limits.append(thresholds["times"] * memory.usual)
        limits.append(memory.usual + thresholds["mads"] * _mad(memory.days))
    if peers is not None and peers.n >= _KNOWN_PEERS:
        limits.append(peers.median + thresholds["mads"] * peers.mad)
        if not memory.usual:
            limits.append(thresholds["times"] * peers.median)
    return max(limits, default=None)


def _mad(values: tuple[float, ...]) -> float:
    middle = median(values) if values else 0.0
    return median([abs(value - middle) for value in values]) if values else 0.0


def _learn(memory: Memory, heat: float, vehicle: str, now: datetime) -> Memory:
    replace = msgspec.structs.replace
    vehicles = memory.vehicles
    if len(vehicles) < _KNOWN_VEHICLES and vehicle not in vehicles:
        vehicles = (*vehicles, vehicle)
    memory = replace(memory, learnt=min(memory.learnt + 1, _KNOWN_SESSIONS), vehicles=vehicles)
    day = now.toordinal()
    if day == memory.day:
        return replace(memory, today=(*memory.today[-(_TODAY - 1) :], heat))
    days = (*memory.days[-(_DAYS - 1) :], median(memory.today)) if memory.today else memory.days
    known = (*days, heat)
    enough = memory.learnt >= _KNOWN_SESSIONS and len(vehicles) >= _KNOWN_VEHICLES and len(known) >= _KNOWN_DAYS
    usual = median(known) if enough else memory.usual
    return replace(memory, day=day, today=(heat,), days=days, usual=usual)


def _judge(memory: Memory, thresholds: Thresholds) -> Memory:
    needed = int(thresholds["sessions"])
    high = [session for session in memory.recent if session.high]
    worn, reason = memory.worn, Reason.USUAL
    over = bool(memory.over) and not memory.cool
    if _agree(memory, thresholds):
        worn, reason = True, Reason.WORN
    elif over and not memory.over[-1].high:
        reason = Reason.WORN if worn else Reason.SUN_MAY
    elif over and len(high) >= needed:
        several = len({session.vehicle for session in high}) >= thresholds["vehicles"]
        worn, reason = worn or several, Reason.WORN if several else Reason.ONE_VEHICLE
    elif worn and memory.cool < needed:
        reason = Reason.WORN
    else:
        worn = False
    return msgspec.structs.replace(memory, worn=worn, reason=reason)


def _forget(memory: Any, since: datetime | None, until: datetime) -> Any:
    """Without its evidence: a plug that was too hot stays cool again, so it was mended: what it did before, even
    before it was too hot, says nothing about what it is now. What is usual here is kept."""
    if not isinstance(memory, Memory):
        return memory
    return msgspec.structs.replace(memory, recent=(), over=(), worn=False, reason=Reason.BEFORE)


def shared(memory: Any) -> Mapping[str, float]:
    """What peers are compared by: what is usual here. Single sessions differ too much to hold others against."""
    return {_FEATURE: memory.usual} if memory is not None and memory.usual else {}


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    recent: tuple[Session, ...] = memory.recent
    peers = subject.network.peers(RULE.code, _FEATURE, subject)
    limit = limit_of(memory, peers, thresholds) or 0.0
    high = [session for session in recent if session.high]
    in_a_row = len(high) < thresholds["sessions"] and bool(memory.over)
    high = list(memory.over) if in_a_row else high or list(recent)
    usual = memory.usual or (peers.median if peers is not None else high[-1].heat)
    vehicles = [session.vehicle for session in high]
    # Whether other connectors charge is another matter: this plug is hot.
    blame = attribute(subject, vehicles, now, lean=Lean.CABLE, others_charge=())
    rated = _rated(subject, memory.top_a)

    def kelvins(heat: float) -> str:
        return f"{heat * rated**2:.0f} K at {rated:.0f} A"

    which = f"{len(high)} of the last {len(recent)} sessions"
    if in_a_row:
        which = f"each of {len(high)} sessions in a row"
    among = f"median {kelvins(peers.median)} of {peers.n}" if peers is not None else ""
    return RULE.finding(
        subject,
        now,
        blame=blame,
        since=high[0].at,
        probable_cause="Worn, loose or dirty contacts of the plug: their resistance has grown.",
        explanation=(
            f"The plug of {place(subject)} warms {high[-1].heat / max(usual, 1e-9):.1f} times as much as usual "
            f"for the same current, in {which}."
        ),
        evidence=(
            *(
                Evidence(
                    label=f"Warms, session {number}",
                    value=kelvins(session.heat),
                    threshold=kelvins(limit),
                    peers=among,
                    at=session.at,
                )
                for number, session in enumerate(high, start=1)
            ),
            Evidence(label="Usual here", value=kelvins(usual)),
        ),
    )


RULE = Rule(
    code="plug_resistance",
    title="Plug warms more than it should",
    scope=Scope.CONNECTOR,
    asset="cable",
    severity=Severity.P3,
    mrec=("CX018",),
    thresholds=(
        Threshold(name="times", default=1.5, unit="times", doc="its own usual heat over current squared"),
        Threshold(name="mads", default=3, unit="MAD", doc="above the median of its peers"),
        Threshold(name="least_k", default=8, unit="K", doc="more than usual: sun and wind alone do less"),
        Threshold(name="sessions", default=3, unit="sessions", doc="so many of the last one more"),
        Threshold(name="faint_k", default=3, unit="K", doc="more than usual: counts where sessions agree"),
        Threshold(
            name="agreeing",
            default=5,
            unit="sessions",
            doc="in a row that do, at all hours (at most 10)",
        ),
        Threshold(name="vehicles", default=2, unit="vehicles", doc="that must be among them"),
    ),
    clears="Three sessions in a row that are as usual.",
    action="Look at the contacts for wear and discolouration, check terminals' torque; clean or replace the plug.",
    doc=(
        "Per session, the plug's temperature over the air's, divided by current squared: the resistance of its "
        "contacts, by the heat that it makes. Current squared is smoothed over 15 min as copper smooths it, of "
        "all pins with the neutral (IEC 62196: its losses are those of each pin), and only counts after ten "
        "minutes at 0.45 of the rated current. It is too much when over 1.5 times and 3 MAD above the median of "
        "the connector's last 30 days (known from eight sessions of three vehicles on three days) and 3 MAD "
        "above the median of connectors of the same vendor, model and type, in three of four sessions and with "
        "two vehicles. Not for one vehicle whose inlet is worn, nor for less than 8 K more than usual, which sun "
        "and wind may do; unless five sessions in a row, by several vehicles, agree in 3 K or more to a quarter "
        "of it, with the air measured, and no half of the day holds their hours (a quarter, where another plug "
        "of the station was idle and no warmer than the air during two of them): the sun does not shine at all "
        "hours. The air is a sensor's of the station or a neighbour at the site; else, or in the sun, the plug's "
        "own temperature at rest before the session; without either nothing is judged. Too hot at once is "
        "`plug_overheat`; when that clears, sessions from before it count no more."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.ENDED}),
    fields=frozenset({*PLUG, "current_a", "current_l1_a", "current_l2_a", "current_l3_a"}),
    charging=True,
    slow=True,
    absorbed_by=("plug_overheat",),
    spent_by=lambda fault: fault == "plug_overheat",
    forget=_forget,
    share=shared,
)
