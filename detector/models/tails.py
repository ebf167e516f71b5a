"""How far out in its tails every feature of a row is, each by itself, added up: in nats.

A forest over twenty features cuts on each of them now and then, so two or three that are far out together hardly
shorten a row's path. Added up as if they were independent they stand out; they are not, so the sum is calibrated
like any other score. The idea is that of ECOD (Li, Zhao, Hu, Botta, Ionescu, Chen, 2022), with tails that go on
beyond what was seen, and with nothing said of residuals that are small.
"""

from __future__ import annotations

import numpy as np

from detector.models.leaning import FEWEST, RARE, WORTH, nats
from detector.models.samples import Floats

_SIDES = (1.0, -1.0)
_LEAST_STEP = 0.02
_LEAST_RISE = 0.5


class Tails:
    """`reach`: which residual each feature reaches at the quantiles of `RARE`, above and below (2 x features x 6);
    NaN: not known."""

    def __init__(self, reach: Floats) -> None:
        self.reach = reach

    @classmethod
    def of(cls, residuals: Floats) -> Tails:
        """From held-out rows (rows x features); NaN: missing."""
        reach = np.full((len(_SIDES), residuals.shape[1], len(RARE)), np.nan, np.float32)
        for column in range(residuals.shape[1]):
            known = residuals[np.isfinite(residuals[:, column]), column]
            if len(known) < FEWEST:
                continue
            for number, side in enumerate(_SIDES):
                reach[number, column] = np.quantile(np.maximum(side * known, 0), 1 - RARE)
        reach += _LEAST_STEP * np.arange(1, len(RARE) + 1, dtype=np.float32)
        return cls(np.maximum.accumulate(reach, axis=2))

    def sums(self, residuals: Floats) -> Floats:
        """Of each row, over all features that it has; 0 where all are as usual."""
        total = np.zeros(len(residuals))
        for column in np.flatnonzero(np.isfinite(self.reach[0, :, 0])):
            values = residuals[:, column]
            for reach, side in zip(self.reach[:, column], _SIDES, strict=True):
                far = side * values >= WORTH  # never of a missing one
                total[far] += nats(side * values[far], reach, least_rise=_LEAST_RISE)
        return np.asarray(total, np.float32)
