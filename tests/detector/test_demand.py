"""How often drivers come: learnt by hour of the week, forgotten slowly, never counted while nobody can."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from math import exp

import msgspec
import pytest

from detector.demand import Demand, chance_of_so_few, chance_of_so_few_here, seen, until

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


def _lived(days: int, *, per_hour: float = 0.5, hours: range = range(6, 21), seed: int = 1) -> Demand:
    """A station with one connector, to which drivers come at some hours of working days, for half an hour."""
    rng = random.Random(seed)
    demand, now = Demand(MONDAY, 1, 0), MONDAY
    while now < MONDAY + timedelta(days=days):
        if now.hour in hours and now.weekday() < 5 and rng.random() < per_hour:
            demand = seen(until(demand, now), now, free=0, occupied=1)
            gone = now + timedelta(minutes=30)
            demand = seen(until(demand, gone), gone, free=1, occupied=0)
        now += timedelta(hours=1)
    return until(demand, now)


def _waited(demand: Demand, hours: float) -> Demand:
    return until(demand, demand.at + timedelta(hours=hours))


def _chance(demand: Demand, k: int = 0) -> float:
    return chance_of_so_few(k, demand.missing, demand.doubt)


def test_a_working_day_without_drivers_is_unlikely_a_weekend_is_not() -> None:
    monday = _lived(21)
    assert _waited(monday, 24).missing - monday.missing == pytest.approx(8.5, rel=0.3)
    assert _chance(_waited(monday, 36)) < 0.01
    friday_night = _lived(26)
    assert _waited(friday_night, 48).missing - friday_night.missing < 0.2


def test_hours_of_the_week_that_were_never_seen_expect_nobody() -> None:
    saturday = _lived(5)
    assert _waited(saturday, 48).missing == pytest.approx(saturday.missing)


def test_what_is_known_from_few_arrivals_makes_the_chance_larger() -> None:
    assert chance_of_so_few(0, 7.0, 0.0) == pytest.approx(exp(-7.0), rel=1e-6)
    assert chance_of_so_few(0, 7.0, 7.0) == pytest.approx(0.5**7)
    days, month = _waited(_lived(4, seed=3), 24), _waited(_lived(25, seed=3), 24)
    assert days.doubt / days.missing > 2 * month.doubt / month.missing


def test_what_is_known_of_a_slot_is_as_wrong_in_each_of_its_hours() -> None:
    """Four drivers in the one Saturday's slot that is known: how often it is asked tells nothing more."""
    saturday = MONDAY + timedelta(days=5, hours=12)
    demand = Demand(saturday, 1)
    for minutes in (0, 40, 80, 120):
        at = saturday + timedelta(minutes=minutes)
        demand = seen(until(demand, at), at, free=0, occupied=1)
        demand = seen(until(demand, at + timedelta(minutes=20)), at + timedelta(minutes=20), free=1, occupied=0)
    for minutes in range(150, 8 * 24 * 60, 10):
        demand = until(demand, saturday + timedelta(minutes=minutes))
    assert demand.missing > 1
    assert demand.missing**2 / demand.doubt == pytest.approx(4, rel=1e-4)


def test_a_few_arrivals_are_likelier_than_none() -> None:
    assert chance_of_so_few(2, 9.0, 0.0) == pytest.approx(exp(-9) * (1 + 9 + 40.5), rel=1e-6)
    assert chance_of_so_few(40, 9.0, 2.0) == pytest.approx(1.0)
    assert chance_of_so_few(0, 0.0, 0.0) == 1.0


def test_an_occupied_connector_waits_for_nobody() -> None:
    monday = _lived(21)
    taken = seen(monday, monday.at, free=0, occupied=1)
    assert _waited(taken, 48).missing == 0.0


def test_silence_teaches_little() -> None:
    monday = _lived(21)
    rate = _waited(monday, 24).missing - monday.missing
    silent = _waited(monday, 14 * 24)
    assert _waited(silent, 24).missing - silent.missing > 0.8 * rate


def test_old_weeks_fade() -> None:
    demand = _lived(200)
    assert demand.arrivals < 0.7 * demand.came


def test_of_a_site_that_is_quiet_nobody_need_come_here() -> None:
    assert chance_of_so_few_here(0, 20.0, 0.0, 60.0) == 1.0
    assert chance_of_so_few_here(0, 20.0, 6.0, 60.0) == pytest.approx(0.75**6)
    assert chance_of_so_few_here(1, 20.0, 6.0, 60.0) == pytest.approx(0.75**7 + 7 * 0.25 * 0.75**6)
    assert chance_of_so_few_here(0, 20.0, 60.0, 60.0) < 1e-6
    assert chance_of_so_few_here(0, 0.0, 60.0, 60.0) == 1.0


def test_a_share_that_is_poorly_known_makes_the_chance_larger() -> None:
    sure = chance_of_so_few_here(1, 20.0, 30.0, 60.0)
    assert chance_of_so_few_here(1, 20.0, 30.0, 60.0, 1e-6) == pytest.approx(sure, rel=1e-3)
    assert 2 * sure < chance_of_so_few_here(1, 20.0, 30.0, 60.0, 8.0) < 0.1


def test_a_driver_who_tries_again_has_come_once() -> None:
    demand = Demand(MONDAY, 1, 0)
    for minutes in range(0, 9, 2):
        at = MONDAY + timedelta(minutes=minutes)
        demand = seen(until(demand, at), at, free=0, occupied=1)
        demand = seen(until(demand, at + timedelta(minutes=1)), at + timedelta(minutes=1), free=1, occupied=0)
    assert demand.came == 1
    later = MONDAY + timedelta(minutes=11)
    assert seen(until(demand, later), later, free=0, occupied=1).came == 2


def test_it_is_small_and_survives_being_stored() -> None:
    demand = _lived(30)
    data = msgspec.msgpack.encode(demand)
    assert len(data) < 400
    assert msgspec.msgpack.decode(data, type=Demand) == demand
