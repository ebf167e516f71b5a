"""How much an address may ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import limits as limits_module
from collector.limits import BURST_S, Bucket, Limits, group_of
from tests.support.stations import T0, at

HERE = "192.0.2.1"


def limits(**changed: int) -> Limits:
    return Limits(**{"handshakes_per_address": 2, "connections_per_address": 3, **changed})


def allowed(ask: Callable[[], float], tries: int = 1000) -> int:
    return sum(ask() == 0 for _ in range(tries))


def test_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(2.0, T0)
    assert allowed(lambda: bucket.take(T0), 2 * BURST_S) == 2 * BURST_S
    assert bucket.take(T0) == pytest.approx(0.5)
    assert bucket.take(T0) == pytest.approx(1.0)
    assert bucket.take(at(2)) == 0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_who_waits_as_told_takes_no_more_than_the_rate_after_the_burst(pauses: list[float]) -> None:
    bucket, now = Bucket(4.0, T0), 0.0
    for pause in pauses:
        now += pause
        now += bucket.take(at(now))
    assert len(pauses) <= 4.0 * (now + BURST_S) + 1


def test_clock_that_was_set_back_neither_gives_nor_takes() -> None:
    bucket = Bucket(1.0, T0)
    allowed(lambda: bucket.take(T0), BURST_S)
    assert bucket.take(at(-3600)) == pytest.approx(1.0)
    assert bucket.take(at(-3590)) == 0


def test_handshakes_of_an_address_have_a_rate() -> None:
    door = limits()
    assert allowed(lambda: door.arrive(HERE, T0)) == 2 * BURST_S
    assert door.arrive("192.0.2.2", T0) == 0
    assert 0 < door.arrive(HERE, T0) <= 0.5
    assert door.arrive(HERE, at(1)) == 0


def test_who_is_refused_may_come_back_at_the_time_that_was_said() -> None:
    door = limits()
    allowed(lambda: door.arrive(HERE, T0))
    assert door.arrive(HERE, at(door.arrive(HERE, T0))) == 0


def test_connections_of_an_address_are_counted() -> None:
    door = limits()
    for _ in range(3):
        door.entered(HERE, T0)
    assert door.arrive(HERE, T0) > 0
    door.left(HERE)
    assert door.arrive(HERE, T0) == 0


def test_this_machine_is_not_limited() -> None:
    door = limits()
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert allowed(lambda address=address: door.arrive(address, T0), 100) == 100
    assert len(door) == 0


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_addresses_are_counted_by_customer(address: str, group: str) -> None:
    assert group_of(address) == group


def test_wrong_passwords_of_a_station_wait_longer_and_longer_up_to_a_minute() -> None:
    door, now, waits = limits(), 0.0, []
    for _ in range(14):
        while (wait := door.begin_check(HERE, "SE-1", at(now))) > 0:
            waits.append(round(wait))
            now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]


def test_wrong_passwords_of_a_station_do_not_hold_up_its_neighbours() -> None:
    door = limits()
    allowed(lambda: door.begin_check(HERE, "SE-1", T0), 20)
    assert door.begin_check(HERE, "SE-2", T0) == 0


def test_who_tries_many_stations_waits_too() -> None:
    door = limits()
    assert sum(door.begin_check(HERE, f"SE-{n}", T0) == 0 for n in range(1000)) == 5 * BURST_S
    assert door.begin_check("192.0.2.2", "SE-1", T0) == 0


def test_right_passwords_do_not_count() -> None:
    door = limits()
    for number in range(1000):
        assert door.begin_check(HERE, f"SE-{number}", T0) == 0
        door.take_back(HERE, f"SE-{number}", right=True)


def test_right_password_forgives_the_wrong_ones() -> None:
    door = limits()
    for _ in range(3):
        assert door.begin_check(HERE, "SE-1", T0) == 0
    assert door.begin_check(HERE, "SE-1", at(1)) == 0
    door.take_back(HERE, "SE-1", right=True)
    assert door.begin_check(HERE, "SE-1", at(1)) == 0


def test_addresses_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "_MAX_ADDRESSES", 10)
    door = limits()
    door.entered(HERE, T0)
    for number in range(100):
        door.arrive(f"198.51.100.{number}", T0)
    assert len(door) <= 11
    door.left(HERE)  # it was kept, since it has a connection
    assert door.arrive(HERE, T0) == 0
