"""How unusual each feature of a row is by itself, in nats: what adds up from session to session.

The evidence of a feature is -ln of the share of held-out rows in which the forest lays at least as much of the
score to it: 0.7 for one in two, 3 for one in twenty. Between the quantiles kept it is interpolated; beyond the
rarest it goes on along the line of the last ones, as an exponential tail would. Its sign is the residual's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.models.samples import Floats

RARE = np.array([0.5, 0.2, 0.1, 0.05, 0.02, 0.01])
_NATS = np.append(0.0, -np.log(RARE))
_TAIL_FROM = 3  # of _NATS: the line that carries on begins at one in ten
FEWEST = 50
"""Rows that have a feature; with fewer it tells nothing."""
WORTH = 1.5
"""A residual smaller than this tells nothing, however rare: most readings of coarse sensors are all alike."""
_LEAST_STEP = 0.02
_LEAST_RISE = 0.1


class Leaning:
    """`shares`: those that each feature reaches at the quantiles of `RARE` (features x 6); NaN: not known."""

    def __init__(self, shares: Floats) -> None:
        self.shares = shares

    @classmethod
    def of(cls, shares: Floats, values: Floats) -> Leaning:
        """From held-out rows: each feature's shares in the score, and its values (NaN: missing)."""
        found = np.full((shares.shape[1], len(RARE)), np.nan, np.float32)
        for column in range(shares.shape[1]):
            there = shares[np.isfinite(values[:, column]), column]
            if len(there) >= FEWEST:
                found[column] = np.maximum(np.quantile(there, 1 - RARE), 0)
        found += _LEAST_STEP * np.arange(1, len(RARE) + 1, dtype=np.float32)
        return cls(np.maximum.accumulate(found, axis=1))

    def evidence(self, shares: Floats, residuals: Floats) -> Floats:
        """Of rows (rows x features), with the sign of the residual; NaN where a feature is missing or unknown."""
        found = np.full(shares.shape, np.nan, np.float32)
        for column, knots in enumerate(self.shares):
            if np.isnan(knots[0]):
                continue
            found[:, column] = nats(shares[:, column], knots, least_rise=_LEAST_RISE)
        return np.asarray(found * np.sign(residuals) * (np.abs(residuals) >= WORTH), np.float32)


def nats(values: Floats, knots: Floats, *, least_rise: float) -> NDArray[np.float64]:
    """-ln of the share of rows that reach each value; `knots`: what the shares of `RARE` reach, ascending.
    `least_rise`: from one in ten to the rarest at least, so that the line beyond is never steep without end."""
    known = np.append(0.0, knots)
    rise = max(float(known[-1] - known[_TAIL_FROM]), least_rise)
    beyond = np.maximum(values - known[-1], 0) * (_NATS[-1] - _NATS[_TAIL_FROM]) / rise
    return np.asarray(np.interp(values, known, _NATS) + beyond, np.float64)
