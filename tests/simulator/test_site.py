"""What stations of one site share."""

from __future__ import annotations

import random

from simulator.circuit import Circuit
from simulator.demand import WORK, pick_kind
from simulator.drivers import Habits, Population, next_gap_s
from simulator.physics import local_hour
from simulator.site import make_site, make_sites
from simulator.spec import make_specs
from simulator.vehicles import CLASSES
from tests.support.central import AC, START_S


def test_a_site_is_the_same_for_the_same_seed_and_id() -> None:
    assert make_site(1, "A").place == make_site(1, "A").place
    assert make_site(1, "A").place != make_site(1, "B").place
    assert make_site(1, "A").place != make_site(2, "A").place


def test_stations_of_a_site_share_it() -> None:
    specs = make_specs(12)
    assert set(make_sites(1, specs)) == {"SITE-1", "SITE-2", "SITE-3"}


def test_a_neighbours_load_sags_the_voltage_here_and_goes_again() -> None:
    site, rng = make_site(3, "SITE"), random.Random(1)
    idle, busy = (Circuit(AC, AC.connectors[0], site, rng, START_S) for _ in range(2))
    idle.advance(START_S + 1)
    before_v = idle.volts[0]
    busy.plug_in(CLASSES[5][1], 0.3, 0.9)
    busy.close()
    busy.advance(START_S + 2)
    busy.advance(START_S + 60)
    idle.advance(START_S + 3)  # within the grid's own five seconds: only the neighbour has changed
    assert sum(site.load_a) > 60
    now_v = before_v - 30 * site.place.shared_ohm
    assert idle.volts[0] < before_v - 10 * site.place.shared_ohm
    assert idle.volts[0] > now_v - 3
    busy.interrupt()
    assert all(abs(load) < 1e-9 for load in site.load_a)


def test_people_come_to_work_in_the_morning() -> None:
    rng, at_s, hours = random.Random(1), START_S, []
    habits = Habits(brisk=False)
    while at_s < START_S + 60 * 86_400:
        at_s += next_gap_s(rng, habits, at_s, kind=WORK)
        hours.append(local_hour(at_s, 1.0))
    assert sum(6 <= hour < 10 for hour in hours) > 0.5 * len(hours)


def test_fast_chargers_have_other_guests() -> None:
    rng = random.Random(1)
    assert {pick_kind(rng, dc=True).name for _ in range(50)} == {"highway", "shopping"}


def test_most_guests_are_at_home_here_and_some_are_seen_elsewhere() -> None:
    rng = random.Random(1)
    population = Population(tuple(f"T{n}" for n in range(200)), rng, ("A", "B", "C", "D"))
    came = []
    for _ in range(300):
        driver = population.borrow(rng, dc=False, site="A", hour=9)
        assert driver is not None
        population.give_back(driver)
        came.append(driver)
    here = sum(driver.home == "A" for driver in came)
    assert 0.65 < here / len(came) < 0.95
    hours = [abs((driver.hour - 9 + 12) % 24 - 12) for driver in came]
    assert sum(hours) / len(hours) < 3.5  # those whose hour it is come first
