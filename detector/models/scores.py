"""How odd a row is, as one p-value of several scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.models.calibration import Calibration, any_of
from detector.models.samples import Floats
from detector.models.tails import Tails


class Scores(NamedTuple):
    """`total` calibrates the forest's score, `top` its largest share, `far` the sums of `tails`. `tails` None: by
    the forest alone."""

    total: Calibration
    top: Calibration
    far: Calibration
    tails: Tails | None

    @classmethod
    def of(cls, shares: Floats, residuals: Floats, *, with_tails: bool = True) -> Scores:
        """From held-out rows: what each feature adds to the forest's score, and its residual (NaN: missing)."""
        tails = Tails.of(residuals) if with_tails else None
        far = tails.sums(residuals) if tails is not None else np.zeros(0)
        return cls(Calibration(shares.sum(axis=1)), Calibration(shares.max(axis=1)), Calibration(far), tails)

    def p_values(self, shares: Floats, residuals: Floats) -> NDArray[np.float64]:
        far = [] if self.tails is None else [self.far.p_values(self.tails.sums(residuals))]
        return any_of(self.total.p_values(shares.sum(axis=1)), self.top.p_values(shares.max(axis=1)), *far)
