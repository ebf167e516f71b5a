"""Drivers: when they come, what they drive, how long they stay, what they do when charging fails. Pure."""

from __future__ import annotations

import random
from typing import NamedTuple

import msgspec

from simulator.physics import local_hour
from simulator.vehicles import Vehicle, pick_vehicle

# Share of a day's arrivals in each local hour, relative; sums are divided out.
_WEEKDAY = (2, 1, 1, 1, 2, 5, 10, 16, 18, 15, 14, 15, 17, 15, 14, 16, 19, 22, 19, 14, 10, 8, 6, 4)
_WEEKEND = (3, 2, 1, 1, 1, 2, 4, 7, 11, 16, 20, 22, 21, 20, 19, 19, 18, 17, 14, 11, 9, 8, 6, 4)


class Driver(NamedTuple):
    """A card and the vehicle that comes with it. `autocharge`: the station knows the vehicle, no card needed."""

    id_tag: str
    vehicle: Vehicle
    autocharge: bool


class Visit(NamedTuple):
    """One driver's stop at a connector. Times in seconds."""

    driver: Driver
    soc: float
    target_soc: float
    dwell_s: float  # from the start of charging until the driver is back
    card_after_s: float  # from plug-in to the card
    unplug_after_s: float  # from the end of the transaction to the plug being pulled
    patience_s: float  # when the driver looks whether it charges; infinite: never
    retries: int = 0  # how often this driver has already tried here


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a fleet is. `brisk` is a busy afternoon without end, for watching; otherwise arrivals follow the
    hour and the day. `speed` divides all of the drivers' times; physics keeps real time."""

    brisk: bool = True
    speed: float = 1.0
    arrivals_per_day: float = 5.0  # per connector, when not brisk
    busy_at_start: float = 0.75  # share of connectors whose first driver arrives at once
    short_share: float = 0.35  # share of stops of a minute or two, when brisk
    session_s: tuple[float, float] | None = None  # fixed bounds of the length of a session


class Population:
    """All drivers; each is at one place at a time."""

    def __init__(self, id_tags: tuple[str, ...], rng: random.Random) -> None:
        self._free = [Driver(tag, pick_vehicle(rng), rng.random() < 0.08) for tag in id_tags]
        self._all = tuple(self._free)

    def borrow(self, rng: random.Random, *, dc: bool) -> Driver | None:
        """A driver who is not charging anywhere; vehicles without fast charging do not come to a DC station."""
        fitting = [i for i, driver in enumerate(self._free) if driver.vehicle.dc_max_w or not dc]
        if not fitting:
            return None
        index = rng.choice(fitting)
        self._free[index], self._free[-1] = self._free[-1], self._free[index]
        return self._free.pop()

    def give_back(self, driver: Driver) -> None:
        self._free.append(driver)


def plan_visit(rng: random.Random, driver: Driver, habits: Habits, *, dc: bool) -> Visit:
    """What this driver wants this time."""
    soc = min(rng.betavariate(2.2, 3.0) + 0.03, 0.9) if not dc else rng.uniform(0.08, 0.45)
    target_soc = rng.choice((0.8, 0.8, 0.9, 1.0)) if not dc else rng.choice((0.7, 0.8, 0.8, 0.9))
    return Visit(
        driver=driver,
        soc=soc,
        target_soc=max(target_soc, soc + 0.05) if soc < 0.94 else 1.0,
        dwell_s=_dwell_s(rng, habits, dc=dc),
        card_after_s=rng.uniform(3, 14) / habits.speed,
        unplug_after_s=rng.uniform(4, 30) / habits.speed,
        patience_s=_patience_s(rng, dc=dc) / habits.speed,
    )


def _patience_s(rng: random.Random, *, dc: bool) -> float:
    """People stay by a fast charger; half of those at an AC post plug in and walk away without a look."""
    if not dc and rng.random() < 0.5:
        return float("inf")
    return rng.uniform(80, 300)


def _dwell_s(rng: random.Random, habits: Habits, *, dc: bool) -> float:
    if habits.session_s is not None:
        return rng.uniform(*habits.session_s) / habits.speed
    if habits.brisk and rng.random() < habits.short_share:
        return max(rng.uniform(30, 120) / habits.speed, 12)
    if habits.brisk:
        return max(1100 * rng.lognormvariate(0, 0.5) / habits.speed, 12)
    typical_s = (1500 if dc else 5400) * rng.lognormvariate(0, 0.45 if dc else 0.7)
    return max(min(typical_s, 12 * 3600) / habits.speed, 12)


def again(rng: random.Random, visit: Visit) -> Visit | None:
    """The same driver's next try after a failure, or None: gone elsewhere."""
    if visit.retries >= 2 or rng.random() < 0.45:
        return None
    return visit._replace(retries=visit.retries + 1, card_after_s=rng.uniform(4, 20))


def next_gap_s(rng: random.Random, habits: Habits, now_s: float, *, utc_offset_h: float = 1.0) -> float:
    """Seconds until the next driver wants this connector."""
    if habits.brisk:
        return rng.uniform(30, 600) / habits.speed
    return _thinned_gap_s(rng, habits, now_s, utc_offset_h) / habits.speed


def first_gap_s(rng: random.Random, habits: Habits, now_s: float) -> float:
    """Seconds from the start of the fleet to a connector's first driver."""
    if rng.random() < habits.busy_at_start:
        return rng.uniform(3, 32) / max(habits.speed, 1)
    return next_gap_s(rng, habits, now_s)


def _thinned_gap_s(rng: random.Random, habits: Habits, now_s: float, utc_offset_h: float) -> float:
    """A Poisson process whose rate follows hour and weekday, by thinning (Lewis and Shedler, 1979)."""
    peak = max(*_WEEKDAY, *_WEEKEND)
    peak_per_s = habits.arrivals_per_day * 24 * peak / sum(_WEEKDAY) / 86_400
    at_s = now_s
    while True:
        at_s += rng.expovariate(peak_per_s)
        weekday = int((at_s + utc_offset_h * 3600) // 86_400 + 3) % 7  # 1970-01-01 was a Thursday
        table = _WEEKDAY if weekday < 5 else _WEEKEND
        if rng.random() < table[int(local_hour(at_s, utc_offset_h))] / peak:
            return at_s - now_s
