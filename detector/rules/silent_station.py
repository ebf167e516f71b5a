"""A station is online and says nothing, and nobody comes where drivers use to."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from math import log
from typing import NamedTuple

import msgspec

from detector.demand import Demand, chance_of_so_few, chance_of_so_few_here, seen, until
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, span
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity

_OCCUPIED = frozenset(
    {
        ConnectorState.PREPARING,
        ConnectorState.CHARGING,
        ConnectorState.SUSPENDED_EV,
        ConnectorState.SUSPENDED_EVSE,
        ConnectorState.FINISHING,
    }
)
_LOOK_EVERY = timedelta(hours=1)
_MAX_GAPS = 8


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOT_WATCHED = "not_watched"  # nobody has come yet, or there is no link
    COMING = "coming"  # drivers come, or came a few hours ago
    USUAL = "usual"  # nobody for hours, which is nothing unusual here
    SITE_QUIET = "site_quiet"  # unusual, were the whole site not quiet
    SILENT = "silent"  # drivers come elsewhere, and not here


class Gap(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Time between two arrivals: how long, and how many drivers were expected meanwhile, came to the site's other
    stations, and were expected there."""

    hours: float
    expected: float
    doubt: float  # variance of `expected`
    came: float
    usual: float

    @property
    def drivers(self) -> tuple[float, float, float]:
        return self.expected, self.came, self.usual

    @property
    def expected_now(self) -> float:
        """`expected`, or less where fewer than usual came to the site's other stations."""
        return self.expected * min((self.came + 1) / (self.usual + 1), 1.0)

    def __add__(self, other: Gap) -> Gap:
        return Gap(
            self.hours + other.hours,
            self.expected + other.expected,
            self.doubt + other.doubt,
            self.came + other.came,
            self.usual + other.usual,
        )


class Memory(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`gaps`: the last ones that are over. `held`: a finding is due. `came` and `usual`: of all the site's other
    stations, at the last arrival here."""

    demand: Demand
    gaps: tuple[Gap, ...] = ()
    held: bool = False
    came: float = 0.0
    usual: float = 0.0


class _Lack(NamedTuple):
    """So few drivers came in a time up to now. `chance`: of that by chance; `here`: of that while so many went to
    the site's other stations, None where it has none."""

    chance: float
    came: int
    time: Gap
    here: float | None


def evaluate(subject: Subject, memory: Memory | None, thresholds: Thresholds, now: datetime) -> Verdict:
    free, occupied = _connectors(subject)
    if memory is None:
        memory = Memory(Demand(now, free, occupied))
    before, network = memory.demand, subject.network
    due = before.at + _LOOK_EVERY
    if (free, occupied) == (before.free, before.occupied) and before.at < now < due:
        return _verdict(memory, Reason.COMING, due)  # the time since is reckoned when it matters
    waited = until(before, now, since=network.listening_since)
    demand = seen(waited, now, free=free, occupied=occupied)
    if demand.came > waited.came:
        memory = _arrived(subject, msgspec.structs.replace(memory, demand=waited), demand, thresholds, now)
        return _verdict(memory, Reason.COMING, now + _LOOK_EVERY)
    memory = msgspec.structs.replace(memory, demand=demand)
    if demand.last is None or not subject.view.connected or network.blind_since is not None:
        later = now + _LOOK_EVERY if network.blind_since is not None else None
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.NOT_WATCHED, memory=memory, check_at=later)
    return _judge(subject, memory, thresholds, now)


def _arrived(subject: Subject, memory: Memory, demand: Demand, thresholds: Thresholds, now: datetime) -> Memory:
    """A gap is over. `memory` holds the demand until then."""
    gap, came, usual = _gap(subject, memory, now)
    gaps = (*memory.gaps[-(_MAX_GAPS - 1) :], gap)
    if memory.held and _are_back(gaps, thresholds):
        return Memory(demand, (), False, came, usual)
    return Memory(demand, gaps, memory.held, came, usual)


def _are_back(gaps: tuple[Gap, ...], thresholds: Thresholds) -> bool:
    """Whether drivers come as they use to again: how much likelier the last arrivals are at the usual rate than at
    what a silent station has left of it. Poisson; the natural logarithm adds up from the best of the gaps on
    (Page's cumulative sum)."""
    left, worth = thresholds["share"], 0.0
    for gap in gaps:
        worth = max(worth, 0.0) - log(left) - (1 - left) * gap.expected_now
    return worth >= log(thresholds["back"])


def _gap(subject: Subject, memory: Memory, now: datetime) -> tuple[Gap, float, float]:
    """The gap that lasts, and the sums over the site's other stations."""
    used = _others(subject, now)
    came, usual = sum(other.came for other in used), sum(other.usual for other in used)
    hours = (now - (memory.demand.last or now)).total_seconds() / 3600
    missing, doubt = memory.demand.missing, memory.demand.doubt
    gap = Gap(hours, missing, doubt, max(came - memory.came, 0.0), max(usual - memory.usual, 0.0))
    return gap, came, usual


def _others(subject: Subject, now: datetime) -> list[Demand]:
    """The site's other stations that drivers use, as of now."""
    known = [other.demand for other in subject.network.remembered(subject.view, RULE.code)]
    return [until(demand, now) for demand in known if demand.last is not None]


def _connectors(subject: Subject) -> tuple[int, int]:
    """How many are free for the next driver, and how many are taken."""
    free = occupied = 0
    for number, connector in subject.view.connectors.items():
        if number and (connector.session is not None or connector.status in _OCCUPIED):
            occupied += 1
        elif number and connector.status is ConnectorState.AVAILABLE:
            free += 1
    return (free if subject.view.connected else 0), occupied


def _judge(subject: Subject, memory: Memory, thresholds: Thresholds, now: datetime) -> Verdict:
    due = now + _LOOK_EVERY
    if memory.held:
        return _verdict(memory, Reason.SILENT, due)
    lack = _lack(subject, memory, thresholds, now)
    if lack is None:
        return _verdict(memory, Reason.COMING, due)
    if lack.chance > thresholds["chance" if lack.here is not None else "lone_chance"]:
        return _verdict(memory, Reason.USUAL, due)
    if lack.here is not None and lack.here > thresholds["chance_here"]:
        return _verdict(memory, Reason.SITE_QUIET, due)
    return _verdict(msgspec.structs.replace(memory, held=True), Reason.SILENT, due)


def _lack(subject: Subject, memory: Memory, thresholds: Thresholds, now: datetime) -> _Lack | None:
    """The time up to now, from one of the last arrivals on, in which so few is least likely."""
    time, *_ = _gap(subject, memory, now)
    alone, found = not _others(subject, now), []
    for came, gap in enumerate((None, *reversed(memory.gaps))):
        time = time + gap if gap is not None else time
        if time.hours >= thresholds["least_h"] and came <= thresholds["share"] * time.expected:
            found.append(_Lack(chance_of_so_few(came, time.expected, time.doubt), came, time, None))
    if not found:
        return None
    lack = min(found)
    if alone:
        return lack
    return lack._replace(here=chance_of_so_few_here(lack.came, *lack.time.drivers, lack.time.doubt))


def _verdict(memory: Memory, reason: Reason, check_at: datetime) -> Verdict:
    standing = Standing.MET if memory.held else Standing.NOT_MET
    return Verdict(standing=standing, reason=reason, memory=memory, check_at=check_at)


def describe(subject: Subject, memory: Memory, thresholds: Thresholds, now: datetime) -> Finding:
    memory = msgspec.structs.replace(memory, demand=until(memory.demand, now))
    lack = _lack(subject, memory, thresholds, now) or _Lack(1.0, 0, _gap(subject, memory, now)[0], None)
    time, last = lack.time, memory.demand.last or now
    who = f"{lack.came} drivers plugged in" if lack.came else "nobody plugged in"
    others = f"{time.came:.0f} plugged in at the site's other stations, where {time.usual:.0f} are usual"
    return RULE.finding(
        subject,
        now,
        since=now - timedelta(hours=time.hours),
        probable_cause=(
            "Drivers come and cannot, or will not, use it: barred bay, dark display, jammed flap, "
            "cable gone, wrong sign or price."
        ),
        explanation=(
            f"{subject.view.station_id} is online and reports no fault, but {who} for {span(3600 * time.hours)}, "
            f"in which {time.expected:.0f} are usual."
        ),
        evidence=(
            Evidence(label="Last plugged in", value=f"{last:%Y-%m-%d %H:%M} UTC", at=last),
            Evidence(
                label="Chance of so few",
                value=f"{lack.chance:.1g}",
                threshold=f"{thresholds['chance' if lack.here is not None else 'lone_chance']:g}",
                peers=others if lack.here is not None else "",
                at=now,
            ),
        ),
        confidence=0.85 if lack.here is not None else 0.7,
    )


RULE = Rule(
    code="silent_station",
    title="Nobody charges here any more",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P2,
    mrec=(),
    thresholds=(
        Threshold(name="chance", default=0.0001, unit="probability", doc="that so few come by chance, at most"),
        Threshold(
            name="chance_here",
            default=0.001,
            unit="probability",
            doc="that of those who came to the site so few came here, at most",
        ),
        Threshold(
            name="lone_chance",
            default=0.00001,
            unit="probability",
            doc="the same where the site has no other station to tell a holiday by",
        ),
        Threshold(name="least_h", default=12, unit="h", doc="shortest time that counts"),
        Threshold(
            name="share", default=0.25, unit="share", doc="of the usual drivers that may still come, at most"
        ),
        Threshold(
            name="back",
            default=5,
            unit="times",
            doc="likelier that drivers come as usual again than that so small a share does, to clear",
        ),
    ),
    clears="Drivers plug in as often as they use to: mostly four, with no more time between them than is usual.",
    action="Call the site or look at its camera: is the bay open, the display lit, the price right? Try a start.",
    doc=(
        "Connectors stand free and nobody plugs in, or hardly anybody, for 12 hours or more, and with what "
        "drivers use to come at these hours (three-hour slots of working days, Saturdays and Sundays, UTC) that "
        "has a chance under 0.0001: it is asked after each driver, so a chance of 0.001 would come true each "
        "year at each station. With m drivers expected and a variance v of that estimate the chance of none is "
        "(n / (n + m))^n with n = m^2 / v, Poisson with the gamma posterior of its rate; v is the sum of "
        "m_b^2 / a_b over slots b, of which a_b arrivals are known: what is known of a slot is as wrong in each "
        "of its hours and on each day. It is also worked out for the time since each of the last eight arrivals. "
        "Who plugs in within 10 min of the last one is the "
        "same driver, who tries again. Hours in which the connectors were occupied, broken or out of service, or "
        "the link was down, are not silence. Where the site has other stations, it must also have a chance under "
        "0.001 that of all who came to the site so few came here (beta-binomial, each station with its share of "
        "what is usual, as far as that is known): a holiday, closed gates or snow keep them away everywhere. A "
        "station alone at its site must be surer. One driver who gets through is not the end of it: it clears "
        "when the last arrivals are five times likelier at the usual rate (where the site is quiet now, at that) "
        "than at a quarter of it. An hour of the week that was never seen expects nobody."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.STARTED, Wake.ENDED, Wake.LINK}),
    inhibited_by=(
        "offline",
        "emergency_stop",
        "reported_fault",
        "failed_starts",
        "no_energy_sessions",
        "reader_fault",
        "payment_fault",
    ),
)
