"""Tails of single features, added up: what is far off stands out, what is usual or missing says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from detector.models.leaning import WORTH
from detector.models.tails import Tails


def learnt(rows: int = 5000) -> Tails:
    """Four features: two bell-shaped, one that falls far more often than it rises, one hardly ever measured."""
    random = np.random.default_rng(1)
    residuals = random.normal(size=(rows, 4)).astype(np.float32)
    residuals[:, 2] = 1 - 2 * random.exponential(1.0, rows)
    residuals[40:, 3] = np.nan
    return Tails.of(residuals)


def total(*row: float) -> float:
    return float(learnt().sums(np.array([row], np.float32))[0])


def test_a_tail_is_the_logarithm_of_how_rare_a_residual_is() -> None:
    assert total(1.645, 0, 0, 0) == pytest.approx(3.0, abs=0.3)  # one row in twenty reaches it
    assert total(2.326, 0, 0, 0) == pytest.approx(4.6, abs=0.3)  # one in a hundred
    assert total(-2.326, 0, 0, 0) == pytest.approx(4.6, abs=0.3)
    assert total(6.0, 0, 0, 0) > total(4.0, 0, 0, 0) > 5


def test_each_side_is_told_by_itself() -> None:
    assert total(0, 0, 3.0, 0) > total(0, 0, -3.0, 0) + 2


def test_features_add_up() -> None:
    assert total(3.0, -3.0, 0, 0) == pytest.approx(total(3.0, 0, 0, 0) + total(0, -3.0, 0, 0), rel=1e-5)


def test_what_is_usual_missing_or_unknown_says_nothing() -> None:
    assert total(0.9 * WORTH, -0.9 * WORTH, 0, 0) == 0
    assert total(np.nan, np.nan, np.nan, np.nan) == 0
    assert total(0, 0, 0, 8.0) == 0
