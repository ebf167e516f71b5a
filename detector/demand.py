"""How often drivers come to a station at each hour of the week, and how unlikely it is that nobody came. Pure.

A week has 24 bins: three-hour slots (UTC) of working days, Saturdays and Sundays. Each counts arrivals, and for
how many hours connectors stood free: an occupied or broken connector cannot be arrived at. Old weeks fade.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import comb, exp, lgamma, log1p

import msgspec

_SLOT = timedelta(hours=3)
_SLOTS = 8
_DAYS = 3
_BINS = _DAYS * _SLOTS
_SPREAD_H = 1.0
"""Free hours of nobody that every bin begins with: what was hardly seen is expected little."""
_KEPT_WEEKS = 8
_ENOUGH = 6.0
"""Once so many arrivals are missing, time teaches nothing more about what is usual."""
_SAME_VISIT = timedelta(minutes=10)
"""Who plugs in so soon after the last one mostly is the same driver, who tries again: visits count, not tries."""
_NONE = bytes(4 * _BINS)
_EMPTY = _NONE * 2


class Demand(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`table` holds arrivals and then free hours of the bins, 4-byte floats. `free` and `occupied` connectors
    since `at`. `missing` arrivals were expected since the last one, `last`; `doubt`: its variance. `came` and
    `usual`: all that ever came, and how many were expected to. `waited`: `missing` by bin, for what is known of a
    bin's rate is as wrong in each of its hours."""

    at: datetime
    free: int = 0
    occupied: int = 0
    last: datetime | None = None
    missing: float = 0.0
    doubt: float = 0.0
    came: float = 0.0
    usual: float = 0.0
    table: bytes = _EMPTY
    waited: bytes = b""

    @property
    def arrivals(self) -> float:
        """All that are remembered."""
        return sum(array("f", self.table)[:_BINS])


def until(demand: Demand, now: datetime, *, since: datetime | None = None) -> Demand:
    """As of `now`. `since`: nothing is known of the time before it that is not known yet."""
    begin = demand.at if since is None or since < demand.at else min(since, now)
    if now <= begin:
        return demand
    table, waited = array("f", demand.table), array("f", demand.waited or _NONE)
    missing, doubt, usual = demand.missing, demand.doubt, demand.usual
    for number, hours in _steps(begin, now):
        free_h = demand.free * hours
        expected = free_h * table[number] / (table[_BINS + number] + _SPREAD_H)
        missing, usual = missing + expected, usual + expected
        doubt += (2 * waited[number] + expected) * expected / table[number] if expected else 0.0
        waited[number] += expected
        if missing <= _ENOUGH:
            _learn(table, number, 0.0, free_h)
    return msgspec.structs.replace(
        demand,
        at=now,
        missing=missing,
        doubt=doubt,
        usual=usual,
        table=table.tobytes(),
        waited=waited.tobytes() if missing else b"",
    )


def seen(demand: Demand, now: datetime, *, free: int, occupied: int) -> Demand:
    """`demand` as of `now`, when so many connectors are found free and occupied: whoever occupies one has come."""
    arrived = occupied - demand.occupied
    again = demand.last is not None and timedelta(0) <= now - demand.last < _SAME_VISIT
    if arrived <= 0 or again:
        return msgspec.structs.replace(demand, free=free, occupied=occupied)
    table = array("f", demand.table)
    _learn(table, _bin(now), float(arrived), 0.0)
    return msgspec.structs.replace(
        demand,
        free=free,
        occupied=occupied,
        last=now,
        missing=0.0,
        doubt=0.0,
        came=demand.came + arrived,
        waited=b"",
        table=table.tobytes(),
    )


def chance_of_so_few(k: int, expected: float, doubt: float) -> float:
    """Probability of `k` arrivals or fewer where so many are expected, a number with a variance of `doubt`.

    Poisson with a gamma distribution of its mean: negative binomial. With n = expected^2 / doubt it is
    (n / (n + expected))^n for k = 0; exp(-expected) where there is no doubt.
    """
    if expected <= 0:
        return 1.0
    n = expected**2 / max(doubt, 1e-9)
    term = total = exp(-n * log1p(expected / n))
    for j in range(1, k + 1):
        term *= (n + j - 1) / j * expected / (n + expected)
        total += term
    return min(total, 1.0)


def chance_of_so_few_here(
    k: int, expected: float, came_elsewhere: float, usual_elsewhere: float, doubt: float = 0.0
) -> float:
    """Probability that of all who came to a site `k` or fewer came here, however quiet the site as a whole was:
    given their sum, Poisson counts are binomial, each with its share of what is usual.

    `doubt`, the variance of `expected`, makes the share p uncertain, and what is usual elsewhere is known no
    better: var p = 2 (p (1 - p))^2 doubt / expected^2. Beta-binomial with that mean and variance.
    """
    n, share = round(came_elsewhere) + k, expected / (expected + usual_elsewhere) if expected > 0 else 0.0
    if not doubt or not 0 < share < 1:
        return sum(comb(n, j) * share**j * (1 - share) ** (n - j) for j in range(k + 1))
    weight = max(expected**2 / (2 * doubt * share * (1 - share)) - 1, 1.0)
    a, b = weight * share, weight * (1 - share)
    return sum(comb(n, j) * exp(_log_beta(j + a, n - j + b) - _log_beta(a, b)) for j in range(k + 1))


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _learn(table: array[float], number: int, arrivals: float, free_h: float) -> None:
    table[number] += arrivals
    table[_BINS + number] += free_h
    weeks = table[_BINS + number] / (_SLOT.total_seconds() / 3600 * (5 if number < _SLOTS else 1))
    if weeks > 2 * _KEPT_WEEKS:
        table[number], table[_BINS + number] = table[number] / 2, table[_BINS + number] / 2


def _steps(begin: datetime, end: datetime) -> Iterator[tuple[int, float]]:
    """Bins between two moments, and hours within each."""
    while begin < end:
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        edge = min(midnight + (begin.hour // 3 + 1) * _SLOT, end)
        yield _bin(begin), (edge - begin).total_seconds() / 3600
        begin = edge


def _bin(at: datetime) -> int:
    return max(at.weekday() - 4, 0) * _SLOTS + at.hour // 3
