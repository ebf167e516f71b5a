"""Flap detection: recent changes weigh more, and old ones nothing."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.flapping import STATES, WINDOW, noted, share, stands
from tests.support.detector import START


def at(*minutes: float) -> list[datetime]:
    return [START + timedelta(minutes=minute) for minute in minutes]


def test_the_newest_change_weighs_most_and_what_is_past_the_window_nothing() -> None:
    now = START + WINDOW
    assert share([now], now) == pytest.approx(1.25 / 20)
    assert share([START + WINDOW / 2], now) == pytest.approx(1.0 / 20)
    assert share([START], now) == 0
    assert share([], now) == 0


def test_a_change_each_five_minutes_is_all_change() -> None:
    assert share(at(*range(0, 105, 5)), START + timedelta(minutes=100)) == 1.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 90)), max_size=80))
def test_changes_take_turns_and_are_bounded(steps: list[tuple[bool, int]]) -> None:
    changes: tuple[datetime, ...] = ()
    now = START
    for came, pause in steps:
        now += timedelta(minutes=pause)
        changes = noted(changes, now, came=came)
        assert stands(changes) is came
        assert len(changes) <= STATES
        assert all(a <= b for a, b in itertools.pairwise(changes))
        assert 0 <= share(changes, now) <= 1
