"""Evidence of single features: in nats, signed, and none where there is nothing to tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector.models.leaning import WORTH, Leaning


def learnt(rows: int = 5000) -> Leaning:
    """Shares of one feature, exponential; a second one is hardly ever measured."""
    random = np.random.default_rng(1)
    shares = random.exponential(1.0, (rows, 2)).astype(np.float32)
    values = np.ones((rows, 2), np.float32)
    values[40:, 1] = np.nan
    return Leaning.of(shares, values)


def evidence(share: float, residual: float = 3.0) -> float:
    row = np.full((1, 2), share, np.float32), np.full((1, 2), residual, np.float32)
    return float(learnt().evidence(*row)[0, 0])


@pytest.mark.parametrize("share", [0.7, 1.6, 2.3, 3.0, 4.6, 6.0])
def test_evidence_is_the_logarithm_of_how_rare_a_share_is(share: float) -> None:
    assert evidence(share) == pytest.approx(share, abs=0.4)  # of an exponential, -ln p is the value itself


def test_its_sign_is_the_side() -> None:
    assert evidence(4.0, -3.0) == -evidence(4.0, 3.0) < 0


def test_what_hardly_differs_tells_nothing() -> None:
    assert evidence(9.0, 0.9 * WORTH) == 0


def test_nothing_is_known_of_what_was_hardly_measured() -> None:
    row = np.full((1, 2), 4.0, np.float32)
    assert math.isnan(learnt().evidence(row, row)[0, 1])
    assert math.isnan(learnt().evidence(row, row * np.float32(np.nan))[0, 0])
