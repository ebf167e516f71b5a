"""How much a plug warms for the current in it: the resistance of its contacts, seen as heat. Pure.

A plug of copper and plastic follows its losses in about a quarter of an hour. So current squared is smoothed with
the same lag, and the rise of temperature over it is nearly the same all the time while a session warms the plug.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from detector.rules.base import Subject
from detector.temperatures import air_of, shaded

_SMOOTH_S = 900.0
_STEADY = timedelta(minutes=10)
_AT_REST = 0.15  # of the rated current, smoothed: less warms nothing
_HIGH = 0.45  # of the rated current: vehicles of 16 A, which take a little less, at plugs for 32 A
_ENOUGH = 0.4  # of the rated current, smoothed, on the average of a session
_REST_AGE = timedelta(hours=3)
_SAMPLES = 3
_LOOK_EACH = 4  # samples: the sun takes longer to come and go


class Warming(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """One plug. `squares`: current squared, smoothed, at `at`; `now_a2`: of this moment; `high_since`: nearly half
    the rated current or more since. `rest_c`, `rest_air_c`: plug and air (NaN: not known) when it last was at
    rest. Then the sums of this session; `looks`: how often the next plug was looked at, and `shaded`: how often it
    was idle and no warmer than the air."""

    at: datetime
    squares: float = 0.0
    now_a2: float = 0.0
    high_since: datetime | None = None
    rest_at: datetime | None = None
    rest_c: float = 0.0
    rest_air_c: float = math.nan
    samples: int = 0
    kelvins: float = 0.0
    sum_a2: float = 0.0
    looks: int = 0
    shaded: int = 0

    def flowing(self, squares: float | None, rated: float, now: datetime) -> Warming:
        """Time has passed at the current of before; `squares` is that of now, None: not said anew."""
        passed_s = max((now - self.at).total_seconds(), 0.0)
        smooth = self.now_a2 + (self.squares - self.now_a2) * math.exp(-passed_s / _SMOOTH_S)
        now_a2 = self.now_a2 if squares is None else squares
        high_since = (self.high_since or now) if now_a2 >= (_HIGH * rated) ** 2 else None
        return msgspec.structs.replace(self, at=now, squares=smooth, now_a2=now_a2, high_since=high_since)

    def measured(self, celsius: float, rated: float, subject: Subject, now: datetime) -> Warming:
        """The plug's temperature: at rest it is where warming begins, after ten minutes at nearly half the
        rated current it tells how much."""
        replace = msgspec.structs.replace
        if self.squares <= (_AT_REST * rated) ** 2:
            air_c = air_of(subject, now)
            return replace(self, rest_at=now, rest_c=celsius, rest_air_c=math.nan if air_c is None else air_c)
        if self.high_since is None or now - self.high_since < _STEADY:
            return self
        cold_c = self._cold(subject, now)
        if cold_c is None:
            return self
        looks = self.samples % _LOOK_EACH == 0
        return replace(
            self,
            looks=self.looks + looks,
            shaded=self.shaded + (looks and shaded(subject, now)),
            samples=self.samples + 1,
            kelvins=self.kelvins + celsius - cold_c,
            sum_a2=self.sum_a2 + self.squares,
        )

    def _cold(self, subject: Subject, now: datetime) -> float | None:
        """What the plug would be at without current: as at rest, and as the air has changed since, for a plug in
        the sun is warmer than the air. None where neither is known."""
        air_c = air_of(subject, now)
        if self.rest_at is None:
            return air_c
        if air_c is not None and not math.isnan(self.rest_air_c):
            return self.rest_c + air_c - self.rest_air_c
        return self.rest_c if now - self.rest_at <= _REST_AGE else air_c

    def heat(self, rated: float) -> float | None:
        """Kelvins per ampere squared over this session; None where it was too short or too weak to tell."""
        if self.samples < _SAMPLES or self.sum_a2 < self.samples * (_ENOUGH * rated) ** 2:
            return None
        return max(self.kelvins, 0.0) / self.sum_a2

    @property
    def mean_a2(self) -> float:
        """Current squared, smoothed, on the average of this session's samples."""
        return self.sum_a2 / self.samples if self.samples else 0.0

    @property
    def in_the_shade(self) -> bool:
        """Whether the next plug told, half of the time or more, that no sun shone while this one warmed."""
        return 2 * self.shaded >= max(self.looks, 1)

    def over(self) -> Warming:
        """The session is over."""
        return msgspec.structs.replace(self, samples=0, kelvins=0.0, sum_a2=0.0, looks=0, shaded=0)


def pin_squares(amps: tuple[float, ...]) -> float:
    """Current squared that in all three phases would warm a plug as much: each pin by its own, the neutral (the
    vector sum of phases 120 degrees apart) included. Of one value: that of a DC output, or of a phase that nobody
    names."""
    if len(amps) != 3:
        return max(amps) ** 2
    one, two, three = amps
    squares = one * one + two * two + three * three
    neutral = squares - one * two - two * three - three * one
    return (squares + max(neutral, 0.0)) / 3
