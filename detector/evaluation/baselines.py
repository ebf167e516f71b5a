"""What the isolation forest is held against: ECOD, and an EWMA control chart. Both on the same residuals.

ECOD: Li, Zhao, Hu, Botta, Ionescu, Chen, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative
Distribution Functions", 2022. EWMA: Roberts, "Control Chart Tests Based on Geometric Moving Averages", 1959.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

LAMBDA = 0.2
"""How much the newest window counts in the moving average; 0.2 is the textbook's for small shifts."""

Array = NDArray[np.float64]


class Ecod:
    """The parameter-free detector: how far out in its tail is each feature, and what is that over all features.

    `rows`: training residuals (rows x features); NaN where a feature is missing, which then says nothing.
    """

    def __init__(self, rows: NDArray[np.floating]) -> None:
        columns = [np.sort(column[~np.isnan(column)]) for column in np.asarray(rows, np.float64).T]
        self._columns = columns
        self._left_tail = np.array([_skewness(column) < 0 for column in columns])

    def shares(self, rows: NDArray[np.floating]) -> Array:
        """What each feature adds to each row's score: of left tails, right tails, or by skewness, whichever of the
        three sums is largest."""
        points = np.asarray(rows, np.float64)
        left, right = np.zeros(points.shape), np.zeros(points.shape)
        for number, column in enumerate(self._columns):
            values, n = points[:, number], len(column)
            known = ~np.isnan(values)
            below = np.searchsorted(column, values[known], side="right")
            above = n - np.searchsorted(column, values[known], side="left")
            left[known, number] = -np.log((below + 1) / (n + 1))
            right[known, number] = -np.log((above + 1) / (n + 1))
        skewed = np.where(self._left_tail, left, right)
        ways = np.stack([left, right, skewed])
        best = ways.sum(axis=2).argmax(axis=0)
        return np.asarray(ways[best, np.arange(len(points))])


def _skewness(values: Array) -> float:
    """0 where there is nothing to tell."""
    deviations = values - values.mean() if len(values) else values
    spread = float(np.sqrt((deviations**2).mean())) if len(values) else 0.0
    return float((deviations**3).mean()) / spread**3 if spread > 0 else 0.0


def ewma(rows: NDArray[np.floating], of: Sequence[Hashable]) -> Array:
    """Control chart of each thing's residuals in the order of time: |moving average| over its standard deviation
    (rows x features). `of` tells which thing each row belongs to; a missing residual (NaN) moves nothing."""
    limit = math.sqrt(LAMBDA / (2 - LAMBDA))
    points = np.asarray(rows, np.float64)
    found = np.zeros(points.shape)
    averages: dict[Hashable, Array] = {}
    for number, thing in enumerate(of):
        before = averages.get(thing)
        before = np.zeros(points.shape[1]) if before is None else before
        now = np.where(np.isnan(points[number]), before, LAMBDA * points[number] + (1 - LAMBDA) * before)
        averages[thing] = now
        found[number] = np.abs(now) / limit
    return found
