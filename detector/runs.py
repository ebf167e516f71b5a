"""Samples in a row that all show the same. Pure; for rules that want a reading to hold for a while.

A run is as long as what was measured: at one sample a minute as at one a second, silence proves nothing. Distances
may be short of what is asked by a twentieth, for samples never come quite on time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

MAX_GAP = timedelta(minutes=16)
"""Samples further apart are no run: stations that align them with the clock send one in a quarter of an hour."""
_PUNCTUAL = 0.95


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`worst` is the value furthest from good, at `worst_at`."""

    since: datetime
    until: datetime
    samples: int
    worst: float
    worst_at: datetime

    def lasted(self, seconds: float) -> bool:
        """Whether two samples or more, so far apart, belong to it."""
        return self.samples >= 2 and (self.until - self.since).total_seconds() >= _PUNCTUAL * seconds


def longer(run: Run | None, at: datetime, value: float, *, low: bool = False) -> Run:
    """The run with one more sample, or a new one where the last is too long ago. A sample out of order changes
    nothing. `low`: the less, the worse."""
    if run is None or at - run.until > MAX_GAP:
        return Run(at, at, 1, value, at)
    if at <= run.until:
        return run
    worse = value < run.worst if low else value > run.worst
    worst, worst_at = (value, at) if worse else (run.worst, run.worst_at)
    return Run(run.since, at, run.samples + 1, worst, worst_at)
