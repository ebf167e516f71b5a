"""Whether what comes in is still like what a model was trained on: the population stability index of features.

PSI = sum over ten bins of (share now - share then) ln(share now / share then), of residuals; under 0.1 is like,
over 0.25 is another population (Siddiqi, Credit Risk Scorecards, 2006). Missing values are an eleventh bin, so a
sensor that falls silent over the whole fleet is drift too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detector.features import Span
from detector.models.samples import Floats

BINS = 10
DRIFTED = 0.25
ENOUGH = {Span.WINDOW: 5000, Span.SESSION: 500, Span.DAY: 500}
"""Rows before anything is said: windows of one session are alike, so more of them are needed."""
_LEAST_SHARE = 1e-3


class Reference(NamedTuple):
    """Where the bins of each feature end (features x 9) and which share of the training rows they hold
    (features x 11; the last: missing)."""

    edges: Floats
    shares: Floats

    @classmethod
    def of(cls, residuals: Floats) -> Reference:
        edges = np.zeros((residuals.shape[1], BINS - 1), np.float32)
        for column in range(residuals.shape[1]):
            known = residuals[np.isfinite(residuals[:, column]), column]
            if len(known):
                edges[column] = np.quantile(known, np.arange(1, BINS) / BINS)
        made = cls(edges, np.zeros((residuals.shape[1], BINS + 1), np.float32))
        counts = made.binned(residuals)
        return made._replace(shares=(counts / max(len(residuals), 1)).astype(np.float32))

    def binned(self, residuals: Floats) -> Floats:
        """How many rows fall into each bin (features x 11)."""
        found = np.zeros((residuals.shape[1], BINS + 1), np.float32)
        for column, edges in enumerate(self.edges):
            values = residuals[:, column]
            known = np.isfinite(values)
            found[column, :BINS] = np.bincount(np.searchsorted(edges, values[known]), minlength=BINS)
            found[column, BINS] = len(values) - known.sum()
        return found


class Drift:
    """Counts what a model is given; older rows fade, by half each time there are enough twice over."""

    def __init__(self, reference: Reference, span: Span) -> None:
        self._reference = reference
        self._enough = ENOUGH[span]
        self._counts = np.zeros_like(reference.shares)
        self._rows = 0.0

    def add(self, residuals: Floats) -> None:
        if self._rows >= 2 * self._enough:
            self._counts *= np.float32(0.5)
            self._rows /= 2
        self._counts += self._reference.binned(residuals)
        self._rows += len(residuals)

    def index(self) -> Floats:
        """The population stability index of each feature; zeros while there are too few rows."""
        if self._rows < self._enough:
            return np.zeros(len(self._counts), np.float32)
        now = np.maximum(self._counts / np.float32(self._rows), _LEAST_SHARE)
        then = np.maximum(self._reference.shares, _LEAST_SHARE)
        return np.asarray(((now - then) * np.log(now / then)).sum(axis=1), np.float32)
