"""Physics: monotone where nature is, exact where it is exact."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import physics
from simulator.vehicles import CLASSES, Vehicle, interpolate, pick_vehicle

vehicles = st.sampled_from([vehicle for _, vehicle in CLASSES])
socs = st.floats(0, 1)
temperatures = st.floats(-30, 45)


@given(vehicles, st.floats(0.5, 1), st.floats(0, 0.5), st.floats(6, 63))
def test_ac_current_only_falls_towards_full(vehicle: Vehicle, soc: float, more: float, offered: float) -> None:
    later = min(soc + more, 1.0)
    assert physics.ac_demand_a(vehicle, later, offered) <= physics.ac_demand_a(vehicle, soc, offered)


@given(vehicles, socs, st.floats(0, 80))
def test_ac_current_keeps_to_both_limits(vehicle: Vehicle, soc: float, offered: float) -> None:
    assert 0 <= physics.ac_demand_a(vehicle, soc, offered) <= min(vehicle.ac_max_a, offered)


@given(vehicles, socs)
def test_less_than_six_amperes_is_no_offer(vehicle: Vehicle, soc: float) -> None:
    assert physics.ac_demand_a(vehicle, soc, 5.9) == 0


@given(vehicles, socs, temperatures, temperatures)
def test_a_colder_battery_never_takes_more(vehicle: Vehicle, soc: float, one: float, two: float) -> None:
    cold, warm = sorted((one, two))
    assert physics.dc_demand_w(vehicle, soc, cold) <= physics.dc_demand_w(vehicle, soc, warm) <= vehicle.dc_max_w


@given(vehicles, socs)
def test_pack_voltage_stays_between_empty_and_full(vehicle: Vehicle, soc: float) -> None:
    assert vehicle.pack_v[0] <= vehicle.pack_voltage(soc) <= vehicle.pack_v[1] + 1e-9


@given(st.floats(-20, 40), st.floats(5, 32), st.lists(st.floats(1, 900), min_size=1, max_size=20))
def test_warming_does_not_depend_on_the_steps(air_c: float, current_a: float, steps: list[float]) -> None:
    plug = physics.Thermal(kelvin_per_a2=0.02, time_constant_s=800)
    at_once = plug.step(air_c, air_c, current_a, sum(steps))
    in_steps = air_c
    for step in steps:
        in_steps = plug.step(in_steps, air_c, current_a, step)
    assert in_steps == pytest.approx(at_once)


def test_a_plug_settles_at_current_squared_over_the_air() -> None:
    plug = physics.Thermal(kelvin_per_a2=0.02, time_constant_s=800)
    assert plug.step(10, 10, 32, 1e6) == pytest.approx(10 + 0.02 * 32**2)


def test_terminal_voltage_falls_along_a_line() -> None:
    assert physics.terminal_v(231, 32, 0.1) == pytest.approx(231 - 3.2)


@given(st.integers(0, 2**31), st.floats(1.76e9, 1.83e9))
def test_places_stay_on_earth(seed: int, now_s: float) -> None:
    place = physics.pick_surroundings(random.Random(seed))
    assert -25 < physics.ambient_c(now_s, place) < 40
    assert 207 < physics.grid_v(now_s, place) < 253


def test_nights_are_colder_than_afternoons() -> None:
    place = physics.Surroundings(0, 0, 0.1, indoors=False)
    noon_s = 1_772_409_600 + 12 * 3600
    assert physics.ambient_c(noon_s, place) > physics.ambient_c(noon_s - 10 * 3600, place)


def test_a_curve_is_flat_beyond_its_ends_and_straight_between() -> None:
    curve = ((0.2, 1.0), (0.4, 0.5))
    assert [interpolate(curve, x) for x in (0, 0.2, 0.3, 0.4, 1)] == pytest.approx([1, 1, 0.75, 0.5, 0.5])


def test_the_same_draw_gives_the_same_vehicle() -> None:
    assert pick_vehicle(random.Random(3)) == pick_vehicle(random.Random(3))


def test_fans_follow_the_cabinet() -> None:
    assert physics.fan_rpm(60, dc=False) == 0
    assert physics.fan_rpm(20, dc=True) == 0
    assert 0 < physics.fan_rpm(30, dc=True) < physics.fan_rpm(50, dc=True) < physics.fan_rpm(90, dc=True)


@given(st.floats(0, 63), st.floats(0.01, 0.3))
def test_a_balanced_load_loses_once_and_a_lone_phase_twice(current_a: float, ohm: float) -> None:
    assert physics.drop_v([current_a] * 3, 1, ohm) == pytest.approx(ohm * current_a)
    assert physics.drop_v([current_a, 0, 0], 0, ohm) == pytest.approx(2 * ohm * current_a)
    assert physics.drop_v([current_a, 0, 0], 1, ohm) <= 0  # the neutral's drop lifts the others
    assert physics.drop_v([current_a], 0, ohm) == pytest.approx(2 * ohm * current_a)


def test_each_pin_warms_by_its_own_current_the_neutral_too() -> None:
    assert physics.pin_a([30, 30, 30]) == pytest.approx(30)
    assert physics.pin_a([30, 0, 0]) == pytest.approx(30 * (2 / 3) ** 0.5)
    assert physics.pin_a([200]) == 200


@given(st.integers(0, 2**31), st.floats(1.76e9, 1.83e9))
def test_weather_is_within_its_bounds(seed: int, now_s: float) -> None:
    place = physics.pick_surroundings(random.Random(seed))
    assert 0 <= physics.rain(now_s, place) <= 1
    assert 0 <= physics.sun(now_s, place) <= 1
    assert 1 <= physics.wind(now_s, place) <= 1.3


def test_frost_slows_the_on_board_charger() -> None:
    vehicle = CLASSES[1][1]
    warm, cold, colder = (physics.ac_demand_a(vehicle, 0.5, 16, celsius) for celsius in (20, -8, -20))
    assert warm > cold > colder > 0
