"""An isolation forest as plain arrays: scored and explained without scikit-learn, which only trains it.

Scores are those of Liu, Ting, Zhou (2008): s = 2^(-E[h] / c(256)), near 1 anomalous, under 0.5 normal. Every
score is explained by its paths: going down a tree, each split changes the expected path length of what is left,
and the change is laid to the feature that was split on. The changes of a path add up to what the path is shorter
than the mean one, so the shares are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

TREES = 200
SAMPLES = 256
_EULER = 0.5772156649015329


def average_path(n: float) -> float:
    """c(n): the mean path length of an unsuccessful search in a binary tree of n points."""
    if n <= 1:
        return 0.0
    if n == 2:
        return 1.0
    return 2.0 * (math.log(n - 1.0) + _EULER) - 2.0 * (n - 1.0) / n


class Forest:
    """All trees in one set of node arrays. A leaf is its own child; `expected` is the mean path length of the
    training points below a node."""

    ARRAYS = ("feature", "threshold", "left", "right", "expected", "roots")

    def __init__(
        self,
        *,
        feature: NDArray[np.int32],
        threshold: NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        expected: NDArray[np.float64],
        roots: NDArray[np.int32],
        depth: int,
        samples: int,
    ) -> None:
        self.feature = feature
        self.threshold = threshold
        self.left = left
        self.right = right
        self.expected = expected
        self.roots = roots
        self.depth = depth
        self.samples = samples

    @classmethod
    def fit(cls, rows: NDArray[np.float64], *, seed: int) -> Forest:
        """Train. No `contamination`: thresholds come from calibration alone."""
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415  # a second and 100 MB that only training needs

        model = IsolationForest(n_estimators=TREES, max_samples=min(SAMPLES, len(rows)), random_state=seed)
        model.fit(rows)
        return cls.of(model)

    @classmethod
    def of(cls, model: Any) -> Forest:
        """The arrays of a fitted scikit-learn model."""
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in cls.ARRAYS[:-1]}
        roots, offset, depth = [], 0, 0
        for estimator in model.estimators_:
            tree = estimator.tree_
            nodes = np.arange(tree.node_count)
            leaf = tree.children_left < 0
            left = np.where(leaf, nodes, tree.children_left)
            right = np.where(leaf, nodes, tree.children_right)
            parts["feature"].append(np.where(leaf, 0, tree.feature))
            parts["threshold"].append(np.where(leaf, 0.0, tree.threshold))
            parts["left"].append(left + offset)
            parts["right"].append(right + offset)
            parts["expected"].append(_expected(left, right, leaf, tree.n_node_samples))
            roots.append(offset)
            offset += tree.node_count
            depth = max(depth, int(tree.max_depth))
        joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
        return cls(
            feature=joined["feature"].astype(np.int32),
            threshold=joined["threshold"].astype(np.float64),
            left=joined["left"].astype(np.int32),
            right=joined["right"].astype(np.int32),
            expected=joined["expected"].astype(np.float64),
            roots=np.array(roots, np.int32),
            depth=depth,
            samples=int(model.max_samples_),
        )

    def _steps(self, rows: NDArray[np.float64]) -> Iterator[NDArray[np.int32]]:
        """The nodes of every tree that every row passes, one (rows x trees) array per depth."""
        points = rows.astype(np.float32)  # as scikit-learn compares
        line = np.arange(len(points))[:, None]
        nodes = np.broadcast_to(self.roots, (len(points), len(self.roots)))
        yield nodes
        for _ in range(self.depth):
            below = points[line, self.feature[nodes]] <= self.threshold[nodes]
            nodes = np.where(below, self.left[nodes], self.right[nodes])
            yield nodes

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """One score per row, higher is more anomalous."""
        *_, leaves = self._steps(rows)
        mean_path = self.expected[leaves].mean(axis=1)
        return np.asarray(2.0 ** (-mean_path / average_path(self.samples)))

    def explain(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each column shortened each row's mean path (rows x columns); positive speaks for an anomaly."""
        shares = np.zeros(rows.shape)
        line = np.arange(len(rows))[:, None]
        before: NDArray[np.int32] | None = None
        for nodes in self._steps(rows):
            if before is not None:
                place = (np.broadcast_to(line, nodes.shape), self.feature[before])
                np.add.at(shares, place, self.expected[before] - self.expected[nodes])
            before = nodes
        return np.asarray(shares / len(self.roots))


def _expected(
    left: NDArray[Any], right: NDArray[Any], leaf: NDArray[Any], samples: NDArray[Any]
) -> NDArray[np.float64]:
    """Per node the mean path length of the training points below it. Children come after their parents."""
    depth = np.zeros(len(left))
    for node in range(len(left)):
        if not leaf[node]:
            depth[left[node]] = depth[right[node]] = depth[node] + 1
    found = np.array([depth[n] + average_path(samples[n]) if leaf[n] else 0.0 for n in range(len(left))])
    for node in reversed(range(len(left))):
        if not leaf[node]:
            a, b = left[node], right[node]
            found[node] = (found[a] * samples[a] + found[b] * samples[b]) / (samples[a] + samples[b])
    return found
