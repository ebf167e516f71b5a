"""Flap detection: whether a fault comes and goes so often that each coming would call somebody in vain. Pure.

As in Nagios, the last 21 states are looked at, newer changes count more (1.25 down to 0.75), and the threshold at
which flapping begins is higher than the one at which it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

STATES = 21
WINDOW = timedelta(hours=2)
"""A change that is older says nothing about now."""
_NEWEST, _OLDEST = 1.25, 0.75


def noted(changes: Sequence[datetime], at: datetime, *, came: bool) -> tuple[datetime, ...]:
    """`changes` with one more. They take turns, beginning with a coming: a fault that is there cannot come."""
    if came == stands(changes):
        return tuple(changes)
    more = (*changes, at)
    return more[2:] if len(more) > STATES else more


def stands(changes: Sequence[datetime]) -> bool:
    """Whether the fault is there after these."""
    return len(changes) % 2 == 1


def share(changes: Sequence[datetime], now: datetime) -> float:
    """The weighted share (0..1) of the last states that were changes."""
    ages = [max(now - at, timedelta(0)) / WINDOW for at in changes if now - at < WINDOW]
    return min(1.0, sum(_NEWEST - (_NEWEST - _OLDEST) * age for age in ages) / (STATES - 1))
