"""An isolation forest as plain arrays: scored and explained in one walk, without scikit-learn, which only trains.

Trees of Liu, Ting, Zhou (2008), of 256 samples each, so at most 8 deep: laid out as complete binary trees, where
the children of node n are 2n + 1 and 2n + 2. A row's score is how much shorter its mean path is than the mean
row's, in splits: 0 normal, higher more anomalous; it orders rows as 2^(-E[h]/c) does. Every score is explained by
its paths: each split changes the expected path length of what is left, and the change is laid to the feature that
was split on. These shares add up to the score exactly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.models.samples import Floats

TREES = 200
SAMPLES = 256
_BLOCK = 64
"""Rows walked through all trees at once: small enough for the processor's cache, large enough for NumPy."""
_EULER = 0.5772156649015329


def average_path(n: float) -> float:
    """c(n): the mean path length of an unsuccessful search in a binary tree of n points."""
    if n <= 1:
        return 0.0
    if n == 2:
        return 1.0
    return 2.0 * (math.log(n - 1.0) + _EULER) - 2.0 * (n - 1.0) / n


class Forest:
    """`column`, `threshold`: of each tree's inner nodes (trees x 2^depth - 1); a row goes right where its column
    is above the threshold. `expected`: the mean path length of the training points below each node, leaves
    included (trees x 2^(depth+1) - 1). `features`: columns c and c + features are of one feature."""

    ARRAYS = ("column", "threshold", "expected")

    def __init__(self, *, column: NDArray[Any], threshold: Floats, expected: Floats, features: int) -> None:
        self.column = column
        self.threshold = threshold
        self.expected = expected
        self.features = features
        self.depth = int(math.log2(column.shape[1] + 1))
        trees, nodes = column.shape
        self._columns = column.astype(np.int64).ravel()
        self._thresholds = threshold.ravel()
        self._tree = (np.arange(trees) * nodes)[:, None]
        self._leaf = (np.arange(trees) * (nodes + 1) - nodes)[:, None]
        self._parts = self._leaf_parts().reshape(-1, features)

    @classmethod
    def fit(cls, rows: Floats, *, features: int, seed: int) -> Forest:
        """Train. No `contamination`: thresholds come from calibration alone."""
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415  # a second and 100 MB that only training needs

        model = IsolationForest(n_estimators=TREES, max_samples=min(SAMPLES, len(rows)), random_state=seed)
        model.fit(rows)
        return cls.of(model, features=features)

    @classmethod
    def of(cls, model: Any, *, features: int) -> Forest:
        """The arrays of a fitted scikit-learn model."""
        depth = max(1, *(int(estimator.tree_.max_depth) for estimator in model.estimators_))
        shape = (len(model.estimators_), 2**depth - 1)
        column, threshold = np.zeros(shape, np.uint8), np.full(shape, np.inf, np.float32)
        expected = np.zeros((shape[0], 2 ** (depth + 1) - 1), np.float32)
        for number, estimator in enumerate(model.estimators_):
            _lay_out(estimator.tree_, column[number], threshold[number], expected[number])
        return cls(column=column, threshold=threshold, expected=expected, features=features)

    def _leaf_parts(self) -> Floats:
        """What each feature adds to the score on the way to each leaf (trees x leaves x features)."""
        trees, leaves = self.column.shape[0], 2**self.depth
        parts = np.zeros((trees, leaves, self.features), np.float32)
        tree, leaf = np.arange(trees)[:, None], np.arange(leaves)
        for level in range(self.depth):
            node = 2**level - 1 + (leaf >> (self.depth - level))
            below = 2 ** (level + 1) - 1 + (leaf >> (self.depth - level - 1))
            change = self.expected[:, node] - self.expected[:, below]
            feature = self.column[:, node].astype(np.int64) % self.features
            parts[tree, leaf[None, :], feature] += change
        return np.asarray(parts / trees, np.float32)

    def shares(self, rows: Floats) -> Floats:
        """How much each feature shortened each row's mean path (rows x features); a row's sum is its score."""
        found = np.empty((len(rows), self.features), np.float32)
        for start in range(0, len(rows), _BLOCK):
            block = np.ascontiguousarray(rows[start : start + _BLOCK], np.float32)
            line = np.arange(len(block)) * block.shape[1]
            points = block.ravel()
            node = np.zeros((len(self.column), len(block)), np.int64)
            for _ in range(self.depth):
                place = node + self._tree
                column = self._columns.take(place)
                column += line
                node *= 2
                node += 1
                node += points.take(column) > self._thresholds.take(place)
            node += self._leaf
            found[start : start + _BLOCK] = self._parts.take(node, axis=0).sum(axis=0)
        return found


def _lay_out(tree: Any, column: NDArray[Any], threshold: Floats, expected: Floats) -> None:
    """One tree of scikit-learn into the rows of its complete tree. An early leaf goes on to the left, unsplit."""
    inner = len(column)

    def place(node: int, at: int, depth: int) -> float:
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left < 0:
            length = depth + average_path(float(tree.n_node_samples[node]))
            while at < inner:
                expected[at] = length
                at = 2 * at + 1
        else:
            column[at], threshold[at] = tree.feature[node], tree.threshold[node]
            a, b = int(tree.n_node_samples[left]), int(tree.n_node_samples[right])
            length = (a * place(left, 2 * at + 1, depth + 1) + b * place(right, 2 * at + 2, depth + 1)) / (a + b)
        expected[at] = length
        return float(length)

    place(0, 0, 0)
