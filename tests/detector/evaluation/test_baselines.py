"""ECOD and the EWMA chart."""

from __future__ import annotations

import numpy as np
import pytest

from detector.evaluation.baselines import Ecod, ewma

RANDOM = np.random.default_rng(5)
HEALTHY = RANDOM.normal(size=(2000, 3))


def test_ecod_scores_a_tail_by_how_few_lie_beyond() -> None:
    found = Ecod(np.arange(1, 100, dtype=float)[:, None])
    (shares,) = found.shares(np.array([[99.0]])).T
    assert shares[0] == pytest.approx(-np.log(2 / 100))
    low, middle, high = found.shares(np.array([[0.0], [50.0], [200.0]])).ravel()
    assert low == high == pytest.approx(np.log(100))
    assert middle < 1


def test_ecod_ranks_what_is_far_out_above_nearly_all_healthy_rows() -> None:
    ecod = Ecod(HEALTHY)
    usual = np.quantile(ecod.shares(HEALTHY).sum(axis=1), 0.99)
    for odd in ([5, 0, 0], [0, -5, 0], [3, 3, 3]):
        assert ecod.shares(np.array([odd], float)).sum() > usual * 0.7
    assert ecod.shares(np.array([[3.0, 3.0, 3.0]])).sum() > usual
    assert ecod.shares(np.array([[6.0, 0.0, 0.0]])).argmax() == 0


def test_ecod_missing_feature_says_nothing() -> None:
    ecod = Ecod(HEALTHY)
    shares = ecod.shares(np.array([[np.nan, 9.0, np.nan]]))
    assert shares[0, 0] == shares[0, 2] == 0
    assert shares[0, 1] > 5
    empty = Ecod(np.full((10, 2), np.nan)).shares(np.array([[1.0, np.nan]]))
    assert np.isfinite(empty).all()


def test_ewma_sees_a_small_shift_that_stays_and_forgets_one_that_passes() -> None:
    shifted = RANDOM.normal(size=(200, 1)) + np.repeat([0.0, 1.5], 100)[:, None]
    chart = ewma(shifted, ["A"] * 200)
    assert chart[120:].mean() > 3 > chart[:100].mean() * 2
    passing = np.zeros((50, 1))
    passing[10] = 5
    chart = ewma(passing, ["A"] * 50)
    assert chart[10] == chart.max()
    assert chart[-1] < 0.01


def test_ewma_keeps_things_apart_and_holds_what_is_missing() -> None:
    rows = np.array([[4.0], [0.0], [np.nan], [0.0]])
    chart = ewma(rows, ["A", "B", "A", "B"])
    assert chart[0, 0] == chart[2, 0] > 0
    assert chart[1, 0] == chart[3, 0] == 0
