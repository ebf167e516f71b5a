"""What is normal for a connector, its make and the fleet, under like conditions; and how far a row is off.

z = (x - median) / (1.4826 MAD) within like rows. From wide to narrow: all rows; the same current bin and phases;
of these the same make (model, firmware, connector type); of these the same battery and ambient bin. A level of n
rows counts n / (n + 20) against the wider one. Last, the same for the connector: the median and MAD of its own z
are its habit, which is taken out. A habit excuses at most 4 deviations, so that what was broken before anybody
looked is still seen. Where sound connectors differ too much to be compared, the habit excuses all, and nothing is
told before there are 5 rows of it. Clipped at 8, and at 0 on the side of normal where no fault is; a missing
feature is 0 and marked in the mask.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.features import FEATURES_OF, Span
from detector.features.table import ABOVE, BELOW
from detector.models.chunk import Thing
from detector.models.samples import Floats, Ints, Samples

SHRINK = 20.0
CLIP = 8.0
HABIT = 4.0
LEAST_OWN = 5
"""Rows of its own before a connector is held against nothing else."""
_LEAST_HABIT_SPREAD = 0.15
_MAD_TO_SIGMA = 1.4826
_MOST_ROWS = 400_000
"""Rows that medians of the fleet and of makes are taken from; more make them no truer."""

# A row's conditions as bits of one number, each bin plus one: make, current (4 bits), phases (3), battery (3),
# ambient (3).
_AMBIENT, _BATTERY, _PHASES, _CURRENT, _MAKE = 0, 3, 6, 9, 13
_COARSE = (1 << _MAKE) - (1 << _PHASES)
_MAKE_COARSE = ~((1 << _PHASES) - 1)
_LEVELS = (0, _COARSE, _MAKE_COARSE, -1)


class Normal(NamedTuple):
    """Median and spread (1.4826 MAD), rows x features; NaN where a feature was never seen."""

    middle: Floats
    spread: Floats


class Cells(NamedTuple):
    """One level: its conditions, ascending, and what is normal under each."""

    keys: Ints
    middle: Floats
    spread: Floats

    def find(self, keys: Ints) -> Ints:
        """The place of each key; -1 for one that was never seen."""
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray(np.where(self.keys[place] == keys, place, -1))


class Baseline:
    """`makes` and `things` are in the order of their numbers; `habits` are of things."""

    def __init__(
        self,
        *,
        makes: tuple[str, ...],
        things: tuple[Thing, ...],
        levels: tuple[Cells, ...],
        habits: Normal,
        resolution: Floats,
    ) -> None:
        self.makes = makes
        self.things = things
        self.levels = levels
        self.habits = habits
        self.resolution = resolution
        self._make = {make: number for number, make in enumerate(makes)}
        self._thing = {thing: number for number, thing in enumerate(things)}

    @classmethod
    def fit(cls, samples: Samples, *, contextual: bool = True) -> Baseline:
        """`contextual` false: one median and MAD for all rows, to see what the rest is worth."""
        resolution = np.array([row.resolution for row in FEATURES_OF[samples.span].values()], np.float32)
        makes, _ = samples.makes
        empty = np.zeros((0, samples.values.shape[1]), np.float32)
        made = cls(
            makes=makes, things=samples.things, levels=(), habits=Normal(empty, empty), resolution=resolution
        )
        some = samples.where(np.arange(0, len(samples), -(-len(samples) // _MOST_ROWS)))
        for mask in _LEVELS if contextual else _LEVELS[:1]:
            made.levels = (*made.levels, made._level(some, mask))
        if contextual:
            made.habits = made._fit_habits(samples)
        return made

    def _keys(self, samples: Samples) -> Ints:
        makes, of_row = samples.makes
        number = np.array([self._make.get(make, -1) for make in makes], np.int64)[of_row] + 1
        current, battery, phases, ambient = (samples.context + 1).T
        return np.asarray(
            (number << _MAKE)
            | (np.minimum(current, 15) << _CURRENT)
            | (np.minimum(phases, 7) << _PHASES)
            | (np.minimum(battery, 7) << _BATTERY)
            | (np.minimum(ambient, 7) << _AMBIENT)
        )

    def _level(self, samples: Samples, mask: int) -> Cells:
        keys, first, inverse = np.unique(self._keys(samples) & mask, return_index=True, return_inverse=True)
        n, own = _by_group(inverse, len(keys), samples.values)
        if not self.levels:
            return Cells(keys, own.middle, np.maximum(own.spread, self.resolution))
        wider = self._under_conditions(samples.where(first))
        return Cells(keys, *_shrunk(n, own, wider))

    def _under_conditions(self, samples: Samples) -> Normal:
        """What is normal for anybody's row of this kind, from the narrowest level that knows its conditions."""
        keys = self._keys(samples)
        whole = self.levels[0]
        middle = np.repeat(whole.middle, len(samples), axis=0)
        spread = np.repeat(whole.spread, len(samples), axis=0)
        for level, mask in zip(self.levels[1:], _LEVELS[1:], strict=False):
            place = level.find(keys & mask)
            known = place >= 0
            middle[known], spread[known] = level.middle[place[known]], level.spread[place[known]]
        return Normal(middle, np.maximum(spread, self.resolution))

    def _fit_habits(self, samples: Samples) -> Normal:
        like = self._under_conditions(samples)
        n, own = _by_group(samples.thing, len(self.things), (samples.values - like.middle) / like.spread)
        middle, spread = _shrunk(n, own, Normal(np.zeros_like(own.middle), np.ones_like(own.spread)))
        habit = np.where(n >= LEAST_OWN, own.middle, np.float32(np.nan))
        middle = np.where(_own_only(samples.span), habit, np.clip(middle, -HABIT, HABIT))
        return Normal(middle, np.maximum(spread, _LEAST_HABIT_SPREAD))

    def peers(self, samples: Samples) -> Normal:
        """What is normal for others of the same make under like conditions."""
        return self._under_conditions(samples)

    def normal(self, samples: Samples) -> Normal:
        """What is normal for each row, its connector's habit included."""
        like = self._under_conditions(samples)
        numbers = np.array([self._thing.get(thing, -1) for thing in samples.things], np.int64)[samples.thing]
        known = (numbers >= 0) & (len(self.habits.middle) > 0)
        middle, spread = like.middle.copy(), like.spread.copy()
        if len(self.habits.middle):
            middle[np.ix_(~known, _own_only(samples.span))] = np.nan
        own = numbers[known]
        middle[known] += like.spread[known] * self.habits.middle[own]
        spread[known] *= self.habits.spread[own]
        return Normal(middle, np.maximum(spread, self.resolution))

    def residuals(self, samples: Samples) -> Floats:
        """z of each feature, clipped; NaN where it is missing or was never seen."""
        middle, spread = self.normal(samples)
        return np.asarray(np.clip((samples.values - middle) / spread, *reach(samples.span)), np.float32)

    def knows(self, make: str) -> bool:
        """Whether it was learnt from equipment of this make."""
        return make in self._make


def reach(span: Span) -> tuple[Floats, Floats]:
    """How far each residual goes below and above normal: less ripple than usual, or a cooler plug, is no fault."""
    features = FEATURES_OF[span].values()
    low = [0.0 if feature.worse == ABOVE else -CLIP for feature in features]
    high = [0.0 if feature.worse == BELOW else CLIP for feature in features]
    return np.array(low, np.float32), np.array(high, np.float32)


def _own_only(span: Span) -> NDArray[np.bool_]:
    """Which columns are held against a connector's own past only."""
    return np.array([feature.own for feature in FEATURES_OF[span].values()])


def rows_of(residuals: Floats) -> Floats:
    """A forest's columns: residuals, 0 where missing, then the mask (1: missing)."""
    missing = np.isnan(residuals)
    return np.concatenate([np.where(missing, np.float32(0), residuals), missing.astype(np.float32)], axis=1)


def _by_group(group: Ints, groups: int, values: Floats) -> tuple[Floats, Normal]:
    """How many values each group has of each column, their median and spread; groups x columns."""
    shape = (groups, values.shape[1])
    n, middle, spread = (
        np.zeros(shape, np.float32),
        np.full(shape, np.nan, np.float32),
        np.zeros(shape, np.float32),
    )
    for column in range(values.shape[1]):
        there = np.isfinite(values[:, column])
        own, own_group = values[there, column], group[there]
        counts = np.bincount(own_group, minlength=groups)
        n[:, column] = counts
        middle[:, column] = _medians(own_group, own, counts)
        spread[:, column] = _MAD_TO_SIGMA * _medians(own_group, np.abs(own - middle[own_group, column]), counts)
    return n, Normal(middle, spread)


def _medians(group: Ints, values: Floats, counts: NDArray[Any]) -> Floats:
    """Per group; NaN for an empty one."""
    ordered = values[np.lexsort((values, group))]
    if not len(ordered):
        return np.full(len(counts), np.nan, np.float32)
    start = np.cumsum(counts) - counts
    low = np.minimum(start + np.maximum(counts - 1, 0) // 2, len(ordered) - 1)
    high = np.minimum(start + counts // 2, len(ordered) - 1)
    return np.where(counts > 0, (ordered[low] + ordered[high]) / 2, np.nan).astype(np.float32)


def _shrunk(n: Floats, own: Normal, wider: Normal) -> Normal:
    share = n / (n + np.float32(SHRINK))
    none = n == 0
    return Normal(
        np.where(none, wider.middle, share * own.middle + (1 - share) * wider.middle),
        np.where(none, wider.spread, share * own.spread + (1 - share) * wider.spread),
    )
