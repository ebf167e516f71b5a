"""Whether a small error lasts: a two-sided CUSUM over sessions, against what is usual for the one thing. Pure.

Source: Page, Continuous inspection schemes, Biometrika 41 (1954). Each session adds what its error exceeds the
slack by, and takes away what it falls short; the sum alarms, not the single session.
"""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

import msgspec

_FIRST = 5
_RECENT = 5


class Tuning(NamedTuple):
    """Errors are shares. `usual`: how far from nought the usual may lie. `slack_up`, `slack_down`: deviations from
    the usual that mean nothing. `most`: a session adds no more, so that one alone proves nothing. `limit`: the
    sum that alarms. `learns`: nothing can be said before the usual is known."""

    usual: float
    slack_up: float
    slack_down: float
    most: float
    limit: float
    learns: bool = False


class Chart(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """The errors learnt from, the last ones, both sums, and whether they alarm."""

    first: tuple[float, ...] = ()
    recent: tuple[float, ...] = ()
    up: float = 0.0
    down: float = 0.0
    high: bool = False

    def usual(self, tuning: Tuning) -> float:
        """Nought until enough is known."""
        if len(self.first) < _FIRST:
            return 0.0
        return min(max(median(self.first), -tuning.usual), tuning.usual)

    def after(self, error: float, tuning: Tuning, good: float) -> Chart:
        """With one more session. An alarm ends after `good` sessions in a row within the slack."""
        if tuning.learns and len(self.first) < _FIRST:
            return Chart((*self.first, error))
        off = error - self.usual(tuning)
        up = max(self.up + min(off - tuning.slack_up, tuning.most), 0.0)
        down = max(self.down + min(-off - tuning.slack_down, tuning.most), 0.0)
        recent = (*self.recent[-(_RECENT - 1) :], error)
        first = self.first if len(self.first) >= _FIRST else (*self.first, error)
        high = self.high or max(up, down) > tuning.limit
        if high and len(recent) >= good and all(self._small(one, tuning) for one in recent[-int(good) :]):
            return Chart(first, recent)
        return Chart(first, recent, min(up, 2 * tuning.limit), min(down, 2 * tuning.limit), high)

    def _small(self, error: float, tuning: Tuning) -> bool:
        return -tuning.slack_down <= error - self.usual(tuning) <= tuning.slack_up
