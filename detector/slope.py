"""A straight line through samples that fade: least squares in which old samples weigh less and less. Pure."""

from __future__ import annotations

import math
from datetime import datetime

import msgspec


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Faded sums up to `at`: of weights, x, y, and their products."""

    at: datetime
    w: float
    x: float
    y: float
    xx: float
    xy: float
    yy: float

    @property
    def spread(self) -> float:
        """Standard deviation of x."""
        return math.sqrt(max(self.xx / self.w - (self.x / self.w) ** 2, 0.0))

    @property
    def slope(self) -> float:
        """Of y over x; only where x is spread."""
        return (self.xy - self.x * self.y / self.w) / (self.xx - self.x**2 / self.w)

    @property
    def r_squared(self) -> float:
        """Share of y's variance that the line explains."""
        varied = self.yy - self.y**2 / self.w
        return min(self.slope * (self.xy - self.x * self.y / self.w) / varied, 1.0) if varied > 0 else 0.0


def add(line: Line | None, at: datetime, x: float, y: float, fade_s: float) -> Line:
    """With one more sample; those before weigh 1/e after `fade_s`."""
    if line is None:
        return Line(at, 1.0, x, y, x * x, x * y, y * y)
    keep = math.exp(-(at - line.at).total_seconds() / fade_s)
    return Line(
        at,
        line.w * keep + 1.0,
        line.x * keep + x,
        line.y * keep + y,
        line.xx * keep + x * x,
        line.xy * keep + x * y,
        line.yy * keep + y * y,
    )
