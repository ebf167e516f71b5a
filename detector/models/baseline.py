"""What is normal for a connector, its model and the fleet, under like conditions; and how far a window is off.

z = (x - median) / (1.4826 MAD), the median and MAD of like windows: same current bin, battery bin and number of
phases. Few windows say little, so each level is shrunk to the wider one by n / (n + 20): connector to model to
fleet. Clipped at 8; a missing feature is 0 and marked in the mask.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import msgspec

from detector.features import FEATURES, Window

SHRINK = 20.0
CLIP = 8.0
_MAD_TO_SIGMA = 1.4826
_LEAST_SPREAD = 0.002
"""Spread is at least this share of the median: a register that never varies must not make a rounding error a
fault."""

NAMES = tuple(FEATURES)


class Normal(msgspec.Struct, frozen=True, array_like=True):
    """Median, spread (1.4826 MAD) and how many windows they come from."""

    middle: float
    spread: float
    n: int


def levels(window: Window) -> tuple[str, str, str]:
    """From wide to narrow."""
    like = "/".join(map(str, window.context))
    return f"fleet|{like}", f"model|{window.model}|{like}", f"connector|{window.connector}|{like}"


class Baseline(msgspec.Struct, kw_only=True):
    """`normals`: level -> feature -> Normal. `whole` is the fleet under all conditions, the last resort."""

    normals: dict[str, dict[str, Normal]]
    whole: dict[str, Normal]

    @classmethod
    def fit(cls, windows: Sequence[Window]) -> Baseline:
        gathered: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for window in windows:
            for level in ("", *levels(window)):
                for name, value in window.values.items():
                    gathered[level][name].append(value)
        whole = {name: _normal(values) for name, values in gathered.pop("", {}).items()}
        normals = {
            level: {name: _normal(values) for name, values in features.items() if len(values) > 1}
            for level, features in gathered.items()
        }
        return cls(normals=normals, whole=whole)

    def normal(self, window: Window, name: str) -> Normal | None:
        """What is normal for a feature of this window; None when it was never seen."""
        found = self.whole.get(name)
        if found is None:
            return None
        for level in levels(window):
            own = self.normals.get(level, {}).get(name)
            if own is not None:
                found = _shrunk(own, found)
        return found

    def residual(self, window: Window, name: str) -> float | None:
        """z of one feature; None where it is missing or was never seen."""
        value, normal = window.values.get(name), self.normal(window, name)
        if value is None or normal is None:
            return None
        return max(-CLIP, min(CLIP, (value - normal.middle) / normal.spread))

    def row(self, window: Window) -> list[float]:
        """A model's columns: residuals in the order of NAMES, then the mask (1: missing)."""
        residuals = [self.residual(window, name) for name in NAMES]
        return [z if z is not None else 0.0 for z in residuals] + [float(z is None) for z in residuals]

    def rows(self, windows: Iterable[Window]) -> list[list[float]]:
        return [self.row(window) for window in windows]

    def builtins(self) -> Any:
        return msgspec.to_builtins(self)


def _normal(values: list[float]) -> Normal:
    middle = median(values)
    spread = _MAD_TO_SIGMA * median(abs(value - middle) for value in values)
    return Normal(middle, max(spread, _LEAST_SPREAD * abs(middle), 1e-9), len(values))


def _shrunk(own: Normal, wider: Normal) -> Normal:
    share = own.n / (own.n + SHRINK)
    return Normal(
        share * own.middle + (1 - share) * wider.middle, share * own.spread + (1 - share) * wider.spread, own.n
    )
