"""Drivers: demand follows the clock, nobody is in two places, some try again."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from simulator.drivers import Habits, Population, again, first_gap_s, next_gap_s, plan_visit
from simulator.physics import local_hour
from tests.support.central import START_S


def arrivals(days: float) -> list[float]:
    rng, at_s, found = random.Random(1), START_S, []
    while at_s < START_S + days * 86_400:
        at_s += next_gap_s(rng, Habits(brisk=False, arrivals_per_day=5), at_s)
        found.append(at_s)
    return found


def test_a_day_has_the_arrivals_it_should() -> None:
    assert 4.3 < len(arrivals(140)) / 140 < 5.9


def test_nights_are_quiet() -> None:
    hours = Counter(int(local_hour(at_s, 1.0)) for at_s in arrivals(140))
    assert sum(hours[hour] for hour in range(5)) * 4 < sum(hours[hour] for hour in range(14, 19))


def test_nobody_charges_in_two_places() -> None:
    rng = random.Random(1)
    population = Population(("A", "B"), rng)
    one, two = population.borrow(rng, dc=False), population.borrow(rng, dc=False)
    assert one is not None
    assert two is not None
    assert one.id_tag != two.id_tag
    assert population.borrow(rng, dc=False) is None
    population.give_back(one)
    assert population.borrow(rng, dc=False) == one


def test_only_vehicles_with_fast_charging_come_to_dc() -> None:
    rng = random.Random(1)
    population = Population(tuple(f"T{n}" for n in range(200)), rng)
    came = [driver.vehicle.dc_max_w for _ in range(200) if (driver := population.borrow(rng, dc=True))]
    assert came
    assert min(came) > 0
    assert population.borrow(rng, dc=False) is not None


def test_a_visit_wants_more_than_it_brings() -> None:
    rng = random.Random(1)
    population = Population(tuple(f"T{n}" for n in range(300)), rng)
    for dc in (False, True):
        for _ in range(100):
            driver = population.borrow(rng, dc=dc)
            assert driver is not None
            visit = plan_visit(rng, driver, Habits(), dc=dc)
            assert 0 < visit.soc < visit.target_soc <= 1


def test_a_busy_fleet_shows_life_within_forty_seconds_and_short_stops() -> None:
    rng = random.Random(1)
    gaps = [first_gap_s(rng, Habits(), START_S) for _ in range(400)]
    assert sum(3 <= gap <= 40 for gap in gaps) > 0.6 * len(gaps)
    driver = Population(("A",), rng).borrow(rng, dc=False)
    assert driver is not None
    dwells = [plan_visit(rng, driver, Habits(), dc=False).dwell_s for _ in range(400)]
    assert 0.2 < sum(dwell < 150 for dwell in dwells) / len(dwells) < 0.5
    assert max(dwells) > 1800


def test_speed_shortens_the_drivers_times() -> None:
    driver = Population(("A",), random.Random(1)).borrow(random.Random(1), dc=False)
    assert driver is not None
    usual, quick = (
        plan_visit(random.Random(2), driver, Habits(speed=speed, session_s=(100, 200)), dc=False)
        for speed in (1, 10)
    )
    assert usual.dwell_s == pytest.approx(quick.dwell_s * 10)
    assert usual.card_after_s == pytest.approx(quick.card_after_s * 10)


def test_nobody_tries_for_ever() -> None:
    rng = random.Random(1)
    driver = Population(("A",), rng).borrow(rng, dc=False)
    assert driver is not None
    visit = plan_visit(rng, driver, Habits(), dc=False)
    for _ in range(100):
        tries, now = 0, visit
        while (following := again(rng, now)) is not None:
            tries, now = tries + 1, following
        assert tries <= 2
