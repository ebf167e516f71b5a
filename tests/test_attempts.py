"""How often somebody may try."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from laddvakt.attempts import Attempts
from tests.support.webapp import NOON

ZERO = timedelta(0)


def test_free_tries_then_waits_that_double_to_a_limit() -> None:
    attempts = Attempts(free=2, first_wait=timedelta(seconds=10), longest_wait=timedelta(seconds=35))
    now = NOON
    assert [attempts.begin("a", now) for _ in range(3)] == [ZERO, ZERO, timedelta(seconds=10)]
    waits = []
    for _ in range(4):
        wait = attempts.begin("a", now)
        waits.append(wait.total_seconds())
        now += wait
        assert attempts.begin("a", now) == ZERO
    assert waits == [10, 20, 35, 35]


def test_waiting_is_not_a_try() -> None:
    attempts = Attempts(free=1)
    attempts.begin("a", NOON)
    for _ in range(50):
        assert attempts.begin("a", NOON) == timedelta(seconds=10)
    assert attempts.begin("a", NOON + timedelta(seconds=10)) == ZERO


def test_keys_do_not_touch_each_other() -> None:
    attempts = Attempts(free=1)
    attempts.begin("a", NOON)
    assert attempts.begin("b", NOON) == ZERO


def test_forgotten_after_a_while_or_on_success() -> None:
    attempts = Attempts(free=1, forget_after=timedelta(minutes=15))
    attempts.begin("a", NOON)
    assert attempts.begin("a", NOON + timedelta(minutes=15)) == ZERO
    assert attempts.begin("a", NOON + timedelta(minutes=15)) > ZERO
    attempts.forget("a")
    attempts.forget("never seen")
    assert attempts.begin("a", NOON + timedelta(minutes=15)) == ZERO


def test_a_good_try_is_taken_back_but_not_the_bad_ones() -> None:
    attempts = Attempts(free=2)
    attempts.begin("a", NOON)
    attempts.begin("a", NOON)
    attempts.take_back("a")
    assert attempts.begin("a", NOON) == ZERO
    assert attempts.begin("a", NOON) > ZERO
    attempts.begin("b", NOON)
    attempts.take_back("b")
    attempts.take_back("b")
    assert len(attempts) == 1


@given(st.lists(st.text(max_size=3), max_size=300))
def test_memory_is_bounded(keys: list[str]) -> None:
    attempts = Attempts(free=1, max_keys=10)
    for number, key in enumerate(keys):
        attempts.begin(key, NOON + timedelta(seconds=number))
        assert len(attempts) <= 10
