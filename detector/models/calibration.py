"""From scores to p-values, and from a budget of false tickets to the p-value that flags a row.

All of it from sessions (or days) that the forest has not seen: split conformal, valid whatever the forest is.

A row has three scores: the forest's own, which sees several features a little off, its largest share in the
explanation, which sees one feature far off, and the sum of the features' tails, which sees some far off together;
the smallest of their p-values, about times three, is the row's. Beyond the upper 2 % of held-out rows an
exponential tail carries on, at most to a tenth of what the sample itself can say; scores are bounded, so their
true tail is lighter and the p-value rather too large than too small.

The budget is shared: two thirds for odd sessions, half of them by windows and half by the session as a whole, and
a third for odd days.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.features import Span

TAIL = 0.02
_EXTRAPOLATE = 0.1

ODD_WINDOWS = 3
OF_WINDOWS = 5
ODD_SESSIONS = 3
OF_SESSIONS = 6
ODD_DAYS = 3
OF_DAYS = 5
"""A session is odd with 3 of 5 flagged windows, or when it is flagged as a whole; a ticket needs 3 of 6 odd
sessions, as the rule's defaults, or 3 of 5 flagged days. There the rule asks for all five: what a day is like,
drivers make, and one who parks for a week or a week without any makes days far more alike than LIKENESS has it."""

LIKENESS = 0.05
"""Correlation assumed between the oddness of one healthy connector's sessions, where there is none measured."""
_MAX_ODD_RATE = 0.1
_COUNTED = 10
_LOWEST = 0.05
_OF_SESSIONS, _OF_DAYS = 2 / 3, 1 / 3  # of the budget


class Calibration:
    """`scores`: of held-out rows, ascending; higher is more anomalous."""

    def __init__(self, scores: NDArray[Any]) -> None:
        self.scores = np.sort(scores)
        cut = max(math.ceil(len(self.scores) * (1 - TAIL)) - 1, 0)
        self._from = float(self.scores[cut]) if len(self.scores) else math.inf
        beyond = self.scores[cut + 1 :]
        self._scale = float((beyond - self._from).mean()) if len(beyond) else 0.0

    def p_values(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        n = len(self.scores)
        at_least = n - np.searchsorted(self.scores, scores, side="left")
        empirical = (1 + at_least) / (n + 1)
        if self._scale <= 0:
            return np.asarray(empirical, np.float64)
        tail = TAIL * np.exp(-np.maximum(scores - self._from, 0) / self._scale)
        beyond = np.maximum(np.minimum(tail, empirical), _EXTRAPOLATE / (n + 1))
        return np.where(at_least > 0, empirical, beyond)


def any_of(*p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The p-value of the smallest of several (Šidák, 1967)."""
    return np.asarray(1 - (1 - np.minimum.reduce(p_values)) ** len(p_values), np.float64)


def oddness(p_values: Sequence[float]) -> float | None:
    """The threshold at which a session would just be odd; None for one too short to tell."""
    if len(p_values) < ODD_WINDOWS:
        return None
    starts = range(max(1, len(p_values) - OF_WINDOWS + 1))
    return min(sorted(p_values[start : start + OF_WINDOWS])[ODD_WINDOWS - 1] for start in starts)


def odd_rate(budget: float, per_day: float, *, need: int, of: int) -> float:
    """The share of healthy sessions (or days) that may be odd, so that false tickets stay within the budget per
    connector-day. A new ticket is an odd one with `need` - 1 more among the `of` - 1 before it: at most
    comb(of - 1, need - 1) E[q^need] each, q Beta-distributed over connectors with correlation LIKENESS."""
    allowed = budget / max(per_day, 0.1)
    low, high = 0.0, _MAX_ODD_RATE
    for _ in range(50):
        q = (low + high) / 2
        expected = float(math.comb(of - 1, need - 1))
        for step in range(need):  # the moments of a Beta distribution
            expected *= (q * (1 - LIKENESS) + step * LIKENESS) / (1 - LIKENESS + step * LIKENESS)
        low, high = (q, high) if expected <= allowed else (low, q)
    return low


def allowed_rate(span: Span, *, budget: float, rows_per_day: float, sessions_per_day: float) -> float:
    """The share of healthy sessions that windows, or sessions, may make odd; or of healthy days."""
    if span is Span.DAY:
        return odd_rate(budget * _OF_DAYS, rows_per_day, need=ODD_DAYS, of=OF_DAYS)
    return odd_rate(budget * _OF_SESSIONS, sessions_per_day, need=ODD_SESSIONS, of=OF_SESSIONS) / 2


def flag_below(
    span: Span,
    groups: Iterable[Sequence[float]],
    *,
    budget: float,
    rows_per_day: float,
    sessions_per_day: float,
) -> float:
    """The p-value at or under which a row is flagged; `groups` are the p-values of held-out sessions (or days),
    rates are per connector-day. What held-out groups show; for windows at least what holds however flags
    cluster: a ticket takes at least 9 flagged windows."""
    rate = allowed_rate(span, budget=budget, rows_per_day=rows_per_day, sessions_per_day=sessions_per_day)
    if span is not Span.WINDOW:
        return max(rate, lower_quantile([p for group in groups for p in group], rate))
    least = budget * _OF_SESSIONS / 2 * ODD_WINDOWS * ODD_SESSIONS / max(rows_per_day, 1.0)
    shown = [odd for group in groups if (odd := oddness(group)) is not None]
    return max(least, lower_quantile(shown, rate))


def lower_quantile(values: Sequence[float], rate: float) -> float:
    """What a share `rate` of values in (0, 1] is at or under; 0 where there are too few to say. Where they are too
    few to be counted, the lowest twentieth is carried on as a power law (Hill, 1975)."""
    ordered = sorted(values)
    rank = math.floor((len(ordered) + 1) * rate)
    if rank >= _COUNTED:
        return ordered[rank - 1]
    k = max(_COUNTED, math.ceil(len(ordered) * _LOWEST))
    if len(ordered) < 4 * k:
        return 0.0
    edge = ordered[k]
    steepness = k / max(sum(math.log(edge / value) for value in ordered[:k]), 1e-9)
    return float(edge * min(1.0, rate * len(ordered) / k) ** (1 / steepness))
