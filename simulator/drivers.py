"""Drivers: when they come, what they drive, how long they stay, what they do when charging fails. Pure."""

from __future__ import annotations

import random
from typing import NamedTuple

import msgspec

from simulator.demand import MIXED, SiteKind
from simulator.physics import local_hour
from simulator.vehicles import Vehicle, pick_vehicle

_ROAMING = 0.25  # share of arrivals that are not of those who live or work here
_LOOKED_AT = 3  # drivers who could come now, of whom the one comes whose hour it is


class Driver(NamedTuple):
    """A card and the vehicle that comes with it. `autocharge`: the station knows the vehicle, no card needed."""

    id_tag: str
    vehicle: Vehicle
    autocharge: bool
    home: str = ""  # the site where this driver mostly charges
    hour: float = 12.0  # when, local time
    clumsy: float = 0.0  # chance that the plug is not pushed home at first
    pays: bool = False  # by payment card, where the station has a terminal


class Visit(NamedTuple):
    """One driver's stop at a connector. Times in seconds."""

    driver: Driver
    soc: float
    target_soc: float
    dwell_s: float  # from the start of charging until the driver is back
    card_after_s: float  # from plug-in to the card
    unplug_after_s: float  # from the end of the transaction to the plug being pulled
    patience_s: float  # when the driver looks whether it charges; infinite: never
    by_app: bool = False  # shows no card: the central system starts and is paid
    retries: int = 0  # how often this driver has already tried here; negative: tries on for sure


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
    """All drivers; each is at one place at a time. Most charge at a site of their own, at hours of their own; some
    roam, so the same vehicle is seen at many stations."""

    def __init__(
        self, id_tags: tuple[str, ...], rng: random.Random, sites: tuple[str, ...] = ("",), *, pay: float = 0.0
    ) -> None:
        """`pay`: the share of drivers who pay by card at stations with a terminal."""
        self._free: dict[str, list[Driver]] = {site: [] for site in sites}
        for tag in id_tags:
            driver = Driver(
                tag,
                pick_vehicle(rng),
                rng.random() < 0.08,
                home=rng.choice(sites),
                hour=rng.uniform(6, 22),
                clumsy=0.25 if rng.random() < 0.04 else 0.004,
                pays=random.Random(f"pays/{tag}").random() < pay,
            )
            self._free[driver.home].append(driver)
        self._sites = sites

    def borrow(self, rng: random.Random, *, dc: bool, site: str = "", hour: float = 12.0) -> Driver | None:
        """A driver who is not charging anywhere; vehicles without fast charging do not come to a DC station."""
        home = site if site in self._free and rng.random() > _ROAMING else rng.choice(self._sites)
        return self._take(self._free[home], rng, dc=dc, hour=hour) or self._anybody(rng, dc=dc)

    def _take(self, free: list[Driver], rng: random.Random, *, dc: bool, hour: float) -> Driver | None:
        if not free:
            return None
        picked = {rng.randrange(len(free)) for _ in range(_LOOKED_AT)}
        fitting = [index for index in sorted(picked) if free[index].vehicle.dc_max_w or not dc]
        if not fitting:
            return None
        index = min(fitting, key=lambda one: abs((free[one].hour - hour + 12) % 24 - 12))
        free[index], free[-1] = free[-1], free[index]
        return free.pop()

    def _anybody(self, rng: random.Random, *, dc: bool) -> Driver | None:
        everybody = [driver for free in self._free.values() for driver in free]
        fitting = [driver for driver in everybody if driver.vehicle.dc_max_w or not dc]
        if not fitting:
            return None
        driver = rng.choice(fitting)
        self._free[driver.home].remove(driver)
        return driver

    def give_back(self, driver: Driver) -> None:
        self._free.setdefault(driver.home, []).append(driver)


def plan_visit(rng: random.Random, driver: Driver, habits: Habits, *, dc: bool, kind: SiteKind = MIXED) -> Visit:
    """What this driver wants this time."""
    soc = min(rng.betavariate(2.2, 3.0) + 0.03, 0.9) if not dc else rng.uniform(0.08, 0.45)
    target_soc = rng.choice((0.8, 0.8, 0.9, 1.0)) if not dc else rng.choice((0.7, 0.8, 0.8, 0.9))
    return Visit(
        driver=driver,
        soc=soc,
        target_soc=max(target_soc, soc + 0.05) if soc < 0.94 else 1.0,
        dwell_s=_dwell_s(rng, habits, kind),
        card_after_s=rng.uniform(3, 14) / habits.speed,
        unplug_after_s=rng.uniform(4, 30) / habits.speed,
        patience_s=_patience_s(rng, dc=dc) / habits.speed,
    )


def _patience_s(rng: random.Random, *, dc: bool) -> float:
    """People stay by a fast charger; half of those at an AC post plug in and walk away without a look."""
    if not dc and rng.random() < 0.5:
        return float("inf")
    return rng.uniform(80, 300)


def _dwell_s(rng: random.Random, habits: Habits, kind: SiteKind) -> float:
    if habits.session_s is not None:
        return rng.uniform(*habits.session_s) / habits.speed
    if habits.brisk and rng.random() < habits.short_share:
        return max(rng.uniform(30, 120) / habits.speed, 12)
    if habits.brisk:
        return max(1100 * rng.lognormvariate(0, 0.5) / habits.speed, 12)
    return max(min(kind.stay_s * rng.lognormvariate(0, kind.spread), 14 * 3600) / habits.speed, 12)


def again(rng: random.Random, visit: Visit) -> Visit | None:
    """The same driver's next try after a failure, or None: gone elsewhere."""
    if visit.retries >= 2 or (visit.retries >= 0 and rng.random() < 0.45):
        return None
    return visit._replace(retries=visit.retries + 1, card_after_s=rng.uniform(4, 20))


def next_gap_s(
    rng: random.Random,
    habits: Habits,
    now_s: float,
    *,
    utc_offset_h: float = 1.0,
    kind: SiteKind = MIXED,
) -> float:
    """Seconds until the next driver wants this connector."""
    if habits.brisk:
        return rng.uniform(30, 600) / habits.speed
    return _thinned_gap_s(rng, habits, now_s, utc_offset_h, kind) / habits.speed


def first_gap_s(
    rng: random.Random, habits: Habits, now_s: float, *, utc_offset_h: float = 1.0, kind: SiteKind = MIXED
) -> float:
    """Seconds from the start of the fleet to a connector's first driver."""
    if rng.random() < habits.busy_at_start:
        return rng.uniform(3, 32) / max(habits.speed, 1)
    return next_gap_s(rng, habits, now_s, utc_offset_h=utc_offset_h, kind=kind)


def _thinned_gap_s(rng: random.Random, habits: Habits, now_s: float, utc_offset_h: float, kind: SiteKind) -> float:
    """A Poisson process whose rate follows hour and weekday, by thinning (Lewis and Shedler, 1979)."""
    peak = max(*kind.weekday, *kind.weekend)
    week = (5 * sum(kind.weekday) + 2 * sum(kind.weekend)) / 7
    peak_per_s = habits.arrivals_per_day * kind.busy * 24 * peak / week / 86_400
    at_s = now_s
    while True:
        at_s += rng.expovariate(peak_per_s)
        weekday = int((at_s + utc_offset_h * 3600) // 86_400 + 3) % 7  # 1970-01-01 was a Thursday
        table = kind.weekday if weekday < 5 else kind.weekend
        if rng.random() < table[int(local_hour(at_s, utc_offset_h))] / peak:
            return at_s - now_s
