"""Who comes when: sites of several kinds, with their hours, weekdays and lengths of stay."""

from __future__ import annotations

import random
from typing import NamedTuple

Hours = tuple[int, ...]


class SiteKind(NamedTuple):
    """Arrivals in each local hour of a weekday and of a day at the weekend, relative to each other; `busy` times
    the fleet's mean; typical stay (median, seconds) and its spread (sigma of its logarithm)."""

    name: str
    weekday: Hours
    weekend: Hours
    busy: float
    stay_s: float
    spread: float


MIXED = SiteKind(
    "mixed",
    (2, 1, 1, 1, 2, 5, 10, 16, 18, 15, 14, 15, 17, 15, 14, 16, 19, 22, 19, 14, 10, 8, 6, 4),
    (3, 2, 1, 1, 1, 2, 4, 7, 11, 16, 20, 22, 21, 20, 19, 19, 18, 17, 14, 11, 9, 8, 6, 4),
    1.0,
    5400,
    0.7,
)
WORK = SiteKind(
    "work",
    (0, 0, 0, 0, 1, 6, 25, 48, 40, 16, 8, 7, 12, 11, 8, 6, 5, 4, 2, 1, 1, 0, 0, 0),
    (0, 0, 0, 0, 0, 1, 2, 3, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0, 0, 0),
    0.6,
    16_000,
    0.5,
)
HOME = SiteKind(
    "home street",
    (3, 2, 1, 1, 1, 2, 3, 4, 4, 4, 5, 5, 6, 6, 8, 14, 24, 34, 32, 26, 20, 15, 10, 6),
    (5, 3, 2, 1, 1, 1, 2, 4, 6, 9, 12, 14, 15, 15, 15, 16, 18, 20, 19, 17, 15, 12, 9, 7),
    0.5,
    25_000,
    0.5,
)
SHOPPING = SiteKind(
    "shopping",
    (0, 0, 0, 0, 0, 1, 3, 6, 10, 16, 20, 22, 24, 22, 20, 22, 26, 28, 22, 14, 7, 3, 1, 0),
    (0, 0, 0, 0, 0, 0, 1, 3, 8, 18, 28, 34, 34, 32, 30, 28, 24, 18, 10, 5, 3, 1, 0, 0),
    1.5,
    3300,
    0.45,
)
HIGHWAY = SiteKind(
    "highway",
    (2, 2, 1, 2, 3, 6, 10, 14, 15, 15, 16, 18, 19, 18, 18, 19, 21, 21, 18, 14, 10, 7, 5, 3),
    (2, 1, 1, 1, 2, 4, 7, 12, 18, 24, 28, 30, 30, 29, 28, 28, 27, 25, 20, 15, 10, 7, 5, 3),
    1.4,
    1500,
    0.45,
)
_AC_KINDS = ((0.3, WORK), (0.25, HOME), (0.25, SHOPPING), (0.2, MIXED))
_DC_KINDS = ((0.6, HIGHWAY), (0.4, SHOPPING))


def pick_kind(rng: random.Random, *, dc: bool) -> SiteKind:
    """What a site is there for."""
    kinds = _DC_KINDS if dc else _AC_KINDS
    return rng.choices([kind for _, kind in kinds], [share for share, _ in kinds])[0]
