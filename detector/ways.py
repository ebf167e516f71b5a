"""How drivers identify at a station, visit by visit, and whether one way has failed. Pure.

A visit is a session's start, or a plug that comes and goes within minutes and nobody was identified. What went
before a run of visits is what is usual; a run in which one way is missing is told from chance by the beta-binomial
distribution, which is a binomial whose share is known from so many visits only.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from math import exp, lgamma, log, log1p
from typing import NamedTuple

import msgspec

from detector.attempts import plugged_in
from detector.rules.base import Subject
from detector.view import ConnectorView, SessionView, StationView
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tokens import TokenKind

_KEPT = 40
_REMEMBERED = 400
_BORROWED = 10.0
_UNSEEN = 0.5
"""Of a visit that left unidentified and is taken for seen: nowhere are drivers who leave as good as impossible."""
_AGAIN = timedelta(minutes=10)
_BEFORE_PLUG = timedelta(minutes=3)
_SHORTEST = timedelta(seconds=20)
_LONGEST = timedelta(minutes=20)
"""A plug that stays longer without anybody identifying is a parked car."""


class Way(IntEnum):
    """How a driver was identified."""

    NOBODY = 0  # plugged in and left again
    READER = 1  # a card or tag at the reader
    CARD = 2  # a payment card
    OTHER = 3  # by app, or the vehicle itself


_OF_KIND = {
    TokenKind.APP.value: Way.OTHER,
    TokenKind.PLATE.value: Way.OTHER,
    TokenKind.CONTRACT.value: Way.OTHER,
    TokenKind.CARD.value: Way.CARD,
}


class Visit(NamedTuple):
    at: datetime
    way: Way
    connector_id: int


@lru_cache(maxsize=4_096)
def _unpacked(packed: bytes) -> tuple[Visit, ...]:
    return tuple(
        [
            Visit(datetime.fromtimestamp(one >> 16, UTC), Way(one & 3), one >> 2 & 0x3FFF)
            for one in array("Q", packed)
        ]
    )


class Ways(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`packed`: the last visits, 8 bytes each. `before`: those before them by way, since `began`. `plugged`:
    connectors with a vehicle and no session, and since when. `counted`: sessions that are among the visits."""

    began: datetime
    packed: bytes = b""
    before: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    plugged: tuple[tuple[int, datetime], ...] = ()
    counted: tuple[str, ...] = ()

    @property
    def visits(self) -> list[Visit]:
        """Oldest first."""
        return list(_unpacked(self.packed))

    def last(self, way: Way) -> datetime | None:
        """When somebody was last identified so."""
        return next((visit.at for visit in reversed(self.visits) if visit.way is way), None)


class Run(NamedTuple):
    """A stretch of visits up to now in which a way is missing. `chance`: that it is so by chance; `usual`: its
    share before. `nobody`: visits of drivers who left unidentified; `known`: what went before, as `chance_of_both`
    takes it. `others`: by other ways, in the run and as many as the time before lets expect. `switched`: how many
    times likelier that is if everybody came and took another way than if only those came who always do."""

    chance: float
    since: datetime
    visits: int
    came: int
    usual: float
    nobody: int
    known: tuple[float, float, float]
    others: int
    others_usual: float
    switched: float


def follow(ways: Ways, subject: Subject, now: datetime, *, learn: bool) -> Ways:
    """After the news. `learn`: visits that are too old to be kept become part of what is usual."""
    plugged, counted, found = dict(ways.plugged), list[str](), list[Visit]()
    for number, connector in subject.view.connectors.items():
        session = connector.session
        if session is not None:
            plugged.pop(number, None)
            if session.vehicle is not None and session.transaction_id not in ways.counted:
                found.append(Visit(now, _way(session), number))
            if session.vehicle is not None:
                counted.append(session.transaction_id)
        elif plugged_in(connector) and not connector.stale:
            plugged.setdefault(number, now)
        elif number in plugged:
            found += _left(subject.view, connector, plugged.pop(number), now)
    for visit in found:
        ways = _with(ways, visit, learn=learn)
    if tuple(plugged.items()) == ways.plugged and tuple(counted) == ways.counted:
        return ways
    return msgspec.structs.replace(ways, plugged=tuple(plugged.items()), counted=tuple(counted))


def _way(session: SessionView) -> Way:
    """A token that says nothing of its kind was read at the station (OCPP 1.6)."""
    return Way.OTHER if session.remote else _OF_KIND.get(session.token_kind, Way.READER)


def _left(view: StationView, connector: ConnectorView, since: datetime, now: datetime) -> list[Visit]:
    """A plug is out again and no session came of it. A token that was shown meanwhile was read."""
    if connector.status is not ConnectorState.AVAILABLE or not _SHORTEST <= now - since <= _LONGEST:
        return []
    read = view.shown is not None and view.shown.at >= since - _BEFORE_PLUG
    return [Visit(now, Way.READER if read else Way.NOBODY, connector.connector_id)]


def _with(ways: Ways, visit: Visit, *, learn: bool) -> Ways:
    """Who is not identified, or does not charge, and at once tries again is one visit; the best of it counts."""
    visits, before, began = ways.visits, list(ways.before), ways.began
    last = visits[-1] if visits else None
    if last is not None and last.way in (Way.NOBODY, visit.way) and last.connector_id == visit.connector_id:
        visits = visits[:-1] if visit.at - last.at <= _AGAIN else visits
    visits.append(visit)
    if len(visits) > _KEPT:
        before[visits.pop(0).way] += learn
    if sum(before) > _REMEMBERED:
        before, began = [number / 2 for number in before], began + (visit.at - began) / 2
    packed = array("Q", (int(v.at.timestamp()) << 16 | v.connector_id << 2 | v.way for v in visits)).tobytes()
    return msgspec.structs.replace(ways, packed=packed, before=tuple(before), began=began)


def newest_only(ways: Ways, count: int) -> Ways:
    """Without the visits of a time that is over: they tell neither what is usual nor what is now."""
    return msgspec.structs.replace(ways, packed=ways.packed[-8 * count :] if count else b"")


def runs(ways: Ways, way: Way, *, least: float, known: float, peers: float | None) -> Iterator[Run]:
    """Stretches of `least` visits or more up to now that begin without `way`, where `known` visits or more went
    before. `peers`: the share of `way` that is usual at others; worth as much as `_BORROWED` visits."""
    visits, before = ways.visits, list(ways.before)
    borrowed = 0.0 if peers is None else _BORROWED
    lent = borrowed * (peers or 0.0)
    for first, visit in enumerate(visits):
        run = visits[first:]
        if len(run) < least:
            return
        if visit.way is not way and sum(before) >= known:
            came = sum(one.way is way for one in run)
            others = sum(one.way not in (way, Way.NOBODY) for one in run)
            hours = max((visit.at - ways.began).total_seconds() / 3600, 1.0)
            lasted = (visits[-1].at - visit.at).total_seconds() / 3600
            usual_others = sum(before) - before[way] - before[Way.NOBODY]
            nobody = sum(one.way is Way.NOBODY for one in run)
            identified_usual = (sum(before) - before[Way.NOBODY]) * lasted / hours
            known_visits = sum(before) + borrowed
            yield Run(
                chance=at_most(came, len(run), before[way] + lent, known_visits - before[way] - lent + _UNSEEN),
                since=visit.at,
                visits=len(run),
                came=came,
                usual=(before[way] + lent) / known_visits,
                nobody=nobody,
                known=(
                    before[way] + lent,
                    before[Way.NOBODY],
                    known_visits - before[way] - lent - before[Way.NOBODY],
                ),
                others=others,
                others_usual=usual_others * lasted / hours,
                switched=_likelier(
                    others - (visit.way is not Way.NOBODY), identified_usual, usual_others * lasted / hours
                ),
            )
        before[visit.way] += 1


def suspicion(ways: Ways, way: Way, *, left: float, known: float) -> float:
    """How much likelier the visits are, natural logarithm, if from one of them on `way` kept `left` of its share
    and its other drivers left unidentified, than if nothing changed: the most of all beginnings that `known`
    visits or more went before (generalised likelihood ratio). 0 where no beginning speaks for it."""
    visits, before, most = ways.visits, list(ways.before), 0.0
    nobody, came = (sum(visit.way is one for visit in visits) for one in (Way.NOBODY, way))
    for visit in visits:
        if sum(before) >= known:
            more = (1 - left) * (before[way] + _UNSEEN) / (before[Way.NOBODY] + _UNSEEN)
            most = max(most, nobody * log1p(more) + came * log(left))
        before[visit.way] += 1
        nobody, came = nobody - (visit.way is Way.NOBODY), came - (visit.way is way)
    return most


@lru_cache(maxsize=4_096)  # the same visits are looked at again whenever a plug comes or goes
def at_most(k: int, n: int, good: float, bad: float) -> float:
    """P(X <= k) of n, where the share is known from so many good and bad ones: beta-binomial, Jeffreys' prior."""
    a, b = good + 0.5, bad + 0.5

    def term(j: int) -> float:
        ways = lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1)
        return exp(ways + _log_beta(a + j, b + n - j) - _log_beta(a, b))

    return min(sum(term(j) for j in range(k + 1)), 1.0)


@lru_cache(maxsize=4_096)
def chance_of_both(
    came: int, nobody: int, visits: int, known: tuple[float, float, float], *, left: float
) -> float:
    """How likely it is by chance that so few of the visits came by a way and so many left unidentified, together.
    `known`: visits by the way, of those who left, and all others that went before.

    The two are no independent tests, for who leaves does not come. So it is the probability of all outcomes that
    speak as much for the way's failure, by the likelihood ratio of `left` of its share being left and its other
    drivers leaving: Dirichlet-multinomial, Jeffreys' prior.
    """
    prior = (known[0] + 0.5, known[1] + 0.5, known[2] + 0.5)
    fewer, more = log(left), log1p((1 - left) * prior[0] / prior[1])
    whole = lgamma(visits + 1) + lgamma(sum(prior)) - lgamma(sum(prior) + visits)
    by_way, by_nobody, by_others = (
        [lgamma(a + n) - lgamma(a) - lgamma(n + 1) for n in range(visits + 1)] for a in prior
    )
    least = came * fewer + nobody * more - 1e-9
    found = sum(
        exp(whole + by_way[c] + by_nobody[k] + by_others[visits - c - k])
        for k in range(visits + 1)
        for c in range(visits - k + 1)
        if c * fewer + k * more >= least
    )
    return min(found, 1.0)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _likelier(k: int, more: float, fewer: float) -> float:
    """The likelihood of k where so many more are expected, against where so many fewer are: Poisson."""
    more, fewer = more + 0.5, fewer + 0.5
    return exp(min(k * log(more / fewer) - (more - fewer), 100.0))


def at_least_poisson(k: int, expected: float) -> float:
    """P(X >= k) of a Poisson number."""
    if k <= 0:
        return 1.0
    if expected <= 0:
        return 0.0
    term, below = exp(-expected), 0.0
    for j in range(k):
        below += term
        term *= expected / (j + 1)
    return max(1.0 - below, 0.0)
