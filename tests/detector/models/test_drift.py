"""What comes in no longer looks like what was learnt from."""

from __future__ import annotations

import numpy as np

from detector.features import Span
from detector.models.drift import DRIFTED, ENOUGH, Drift, Reference


def residuals(n: int, *, shift: float = 0.0, seed: int = 1) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    found[:, 1] += shift
    return found


def index(rows: np.ndarray) -> list[float]:
    drift = Drift(Reference.of(residuals(5000)), Span.SESSION)
    drift.add(rows)
    return [float(value) for value in drift.index()]


def test_the_same_population_is_no_drift() -> None:
    assert max(index(residuals(ENOUGH[Span.SESSION], seed=2))) < 0.1


def test_the_feature_that_moved_is_told() -> None:
    moved = index(residuals(1000, shift=1.0, seed=2))
    assert [value > DRIFTED for value in moved] == [False, True, False]


def test_a_sensor_that_falls_silent_is_drift() -> None:
    silent = residuals(1000, seed=2)
    silent[:, 2] = np.nan
    assert [value > DRIFTED for value in index(silent)] == [False, False, True]


def test_too_few_rows_say_nothing() -> None:
    assert max(index(residuals(100, shift=8))) == 0


def test_what_is_long_ago_fades() -> None:
    drift = Drift(Reference.of(residuals(5000)), Span.SESSION)
    drift.add(residuals(1000, shift=2, seed=2))
    for seed in range(3, 20):
        drift.add(residuals(500, seed=seed))
    assert drift.index().max() < DRIFTED
