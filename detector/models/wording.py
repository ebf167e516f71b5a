"""What a model says of a row: which features stand out, how far from what is normal, and for whom."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.features import FEATURES_OF, Window
from detector.models.samples import Floats
from detector.view import Cause, Lean

_CAUSES = 3
WORTH_WORDS = 2.0
"""Evidence of one feature (in nats: one row in seven) from which on it is put into words."""


class Judged(NamedTuple):
    """Of each row: p-value, and by feature its share in the score and its residual (NaN: missing)."""

    p_values: NDArray[np.float64]
    shares: Floats
    residuals: Floats


class Usual(NamedTuple):
    """What is normal for one row: for its connector, and for others of its make."""

    own: Floats
    peers: Floats
    spread: Floats

    def alike(self, column: int) -> bool:
        """Whether the connector's own past is about that of others."""
        return bool(abs(self.own[column] - self.peers[column]) <= self.spread[column])


class Worded(NamedTuple):
    """One judged row; `usual` None: not worth words."""

    window: Window
    judged: Judged
    number: int
    usual: Usual | None

    def causes(self) -> tuple[Cause, ...]:
        """The features that have the largest shares in the score."""
        shares = self.judged.shares[self.number]
        chosen = [int(column) for column in np.argsort(-shares, kind="stable")[:_CAUSES] if shares[column] > 0]
        return tuple(cause for column in chosen if (cause := self._cause(column)) is not None)

    def leans(self, evidence: Floats) -> tuple[Lean, ...]:
        return tuple(
            Lean(name, round(value, 2), self._cause(column) if abs(value) >= WORTH_WORDS else None)
            for column, (name, value) in enumerate(
                zip(FEATURES_OF[self.window.span], evidence.tolist(), strict=True)
            )
            if not math.isnan(value)
        )

    def _cause(self, column: int) -> Cause | None:
        z = float(self.judged.residuals[self.number, column])
        if self.usual is None or math.isnan(z):
            return None
        shares, name = self.judged.shares[self.number], tuple(FEATURES_OF[self.window.span])[column]
        return Cause(
            feature=name,
            z=z,
            value=self.window.values[name],
            normal=float(self.usual.own[column]),
            share=float(shares[column]) / (float(np.maximum(shares, 0).sum()) or 1.0),
            current_a=self.window.current_a,
            against="this model" if self.usual.alike(column) else "this connector",
        )
