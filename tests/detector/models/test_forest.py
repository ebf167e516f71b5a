"""The forest's own arrays score as scikit-learn's do, and every score is the sum of its features' shares."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detector.models.forest import Forest, average_path


def random_rows(n: int = 600, columns: int = 10) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n, columns)).astype(np.float32)


def path(forest: Forest, rows: np.ndarray) -> np.ndarray:
    """Each row's mean path length."""
    return np.asarray(forest.expected[:, 0].mean() - forest.shares(rows).sum(axis=1))


def test_arrays_score_as_scikit_learn_does() -> None:
    rows = random_rows()
    reference = IsolationForest(n_estimators=50, max_samples=256, random_state=1).fit(rows)
    forest = Forest.of(reference, features=5)
    scores = 2.0 ** (-path(forest, rows) / average_path(256))
    assert scores == pytest.approx(-reference.score_samples(rows), abs=1e-6)


def test_few_rows_make_shallow_trees_that_score_alike() -> None:
    rows = random_rows(12, 4)
    reference = IsolationForest(n_estimators=20, max_samples=12, random_state=1).fit(rows)
    scores = 2.0 ** (-path(Forest.of(reference, features=2), rows) / average_path(12))
    assert scores == pytest.approx(-reference.score_samples(rows), abs=1e-6)


def test_the_feature_that_is_odd_has_the_largest_share() -> None:
    rows = random_rows()
    forest = Forest.fit(rows, features=5, seed=1)
    odd = np.zeros((5, 10), np.float32)
    odd[np.arange(5), np.arange(5)] = 6
    assert forest.shares(odd).argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
    missing = np.zeros((1, 10), np.float32)
    missing[0, 7] = 6  # the mask of feature 2
    assert forest.shares(missing).argmax() == 2


def test_a_row_scores_the_same_alone_and_among_many() -> None:
    rows = random_rows(200)
    forest = Forest.fit(rows, features=5, seed=1)
    alone = np.concatenate([forest.shares(row[None, :]) for row in rows])
    assert np.array_equal(alone, forest.shares(rows))


def test_the_same_seed_gives_the_same_forest() -> None:
    first, second = (Forest.fit(random_rows(), features=5, seed=3) for _ in range(2))
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in Forest.ARRAYS)
