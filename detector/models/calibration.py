"""From scores to p-values, and from a budget of false tickets to the p-value that flags a window.

All of it from sessions that the forest has not seen (split conformal: valid whatever the forest is).

A window has two scores: the forest's own, which sees several features a little off, and its largest share in the
explanation, which sees one feature far off; the smaller of their p-values, doubled, is the window's. Beyond the
upper 2 % of held-out windows an exponential tail carries on, at most to a tenth of what the sample itself can
say; scores are bounded, so their true tail is lighter and the p-value rather too large than too small.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

TAIL = 0.02
_EXTRAPOLATE = 0.1

ODD_WINDOWS = 3
OF_WINDOWS = 5
ODD_SESSIONS = 3
OF_SESSIONS = 6
"""A session is odd with 3 of 5 flagged windows; a ticket needs 3 of 6 odd sessions. As the rule's defaults."""

LIKENESS = 0.05
"""Correlation assumed between the oddness of one healthy connector's sessions, where there is none measured."""
_MAX_ODD_RATE = 0.1


class Calibration:
    """`scores`: of held-out windows, ascending; higher is more anomalous."""

    def __init__(self, scores: NDArray[np.float64]) -> None:
        self.scores = np.sort(scores)
        cut = max(math.ceil(len(self.scores) * (1 - TAIL)) - 1, 0)
        self._from = float(self.scores[cut]) if len(self.scores) else math.inf
        beyond = self.scores[cut + 1 :]
        self._scale = float((beyond - self._from).mean()) if len(beyond) else 0.0

    def p_value(self, score: float) -> float:
        n = len(self.scores)
        at_least = n - int(np.searchsorted(self.scores, score, side="left"))
        empirical = (1 + at_least) / (n + 1)
        if at_least > 0 or self._scale <= 0:
            return empirical
        tail = TAIL * math.exp(-(score - self._from) / self._scale)
        return max(min(tail, empirical), _EXTRAPOLATE / (n + 1))


def both(first: float, second: float) -> float:
    """The p-value of the smaller of two (Bonferroni)."""
    return min(1.0, 2 * min(first, second))


def oddness(p_values: Sequence[float]) -> float | None:
    """The threshold at which a session would just be odd; None for one too short to tell."""
    if len(p_values) < ODD_WINDOWS:
        return None
    starts = range(max(1, len(p_values) - OF_WINDOWS + 1))
    return min(sorted(p_values[start : start + OF_WINDOWS])[ODD_WINDOWS - 1] for start in starts)


def odd_session_rate(budget: float, sessions_per_connector_day: float) -> float:
    """The share of healthy sessions that may be odd, so that false tickets stay within the budget per
    connector-day. A new ticket is an odd session with two more among the five before it: at most 10 E[q^3] per
    session, q Beta-distributed over connectors with correlation LIKENESS."""
    per_session = budget / max(sessions_per_connector_day, 0.1)
    low, high = 0.0, _MAX_ODD_RATE
    pairs = math.comb(OF_SESSIONS - 1, ODD_SESSIONS - 1)
    for _ in range(50):
        q = (low + high) / 2
        cubed = q * (q * (1 - LIKENESS) + LIKENESS) * (q * (1 - LIKENESS) + 2 * LIKENESS) / (1 + LIKENESS)
        low, high = (q, high) if pairs * cubed <= per_session else (low, q)
    return low


def flag_below(
    sessions: Iterable[Sequence[float]], *, budget: float, sessions_per_day: float, windows_per_day: float
) -> float:
    """The p-value at or under which a window is flagged; `sessions` are the p-values of held-out sessions, rates
    are per connector-day. The larger of two valid answers: what held-out sessions show, and, where they are too
    few, what holds however flags cluster: a ticket takes at least 9 flagged windows."""
    whatever = budget * ODD_WINDOWS * ODD_SESSIONS / max(windows_per_day, 1.0)
    shown = sorted(odd for session in sessions if (odd := oddness(session)) is not None)
    rank = math.floor((len(shown) + 1) * odd_session_rate(budget, sessions_per_day))
    return max(whatever, shown[rank - 1]) if rank >= 1 else whatever
