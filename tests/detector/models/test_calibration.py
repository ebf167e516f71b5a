"""p-values are valid, thresholds keep the budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.features import Span
from detector.models.calibration import Calibration, allowed_rate, any_of, lower_quantile, odd_rate, oddness


def test_p_values_are_uniform_under_the_null() -> None:
    random = np.random.default_rng(1)
    p_values = Calibration(random.normal(size=4000)).p_values(random.normal(size=20_000))
    for level in (0.01, 0.05, 0.2, 0.5):
        assert (p_values <= level).mean() == pytest.approx(level, rel=0.15)


def test_beyond_what_was_seen_they_carry_on_a_little() -> None:
    calibration = Calibration(np.random.default_rng(1).normal(size=999))
    far, middle, least = calibration.p_values(np.array([10.0, 0.0, -10.0]))
    assert 0.1 / 1000 <= far < 1 / 1000
    assert middle == pytest.approx(0.5, abs=0.05)
    assert least == 1
    assert Calibration(np.array([])).p_values(np.array([1.0])) == 1


@given(scores=st.lists(st.floats(-5, 5), min_size=1, max_size=50), asked=st.lists(st.floats(-9, 9), min_size=2))
def test_a_higher_score_never_has_a_larger_p_value(scores: list[float], asked: list[float]) -> None:
    found = Calibration(np.array(scores)).p_values(np.array(sorted(asked)))
    assert (np.diff(found) <= 1e-12).all()
    assert ((found > 0) & (found <= 1)).all()


def test_the_smallest_of_several_counts_as_often_as_there_are() -> None:
    assert any_of(np.array([0.01, 1.0]), np.array([0.5, 0.8])).tolist() == pytest.approx([0.0199, 0.96])
    assert any_of(np.array([0.2]), np.array([0.5]), np.array([0.001])).tolist() == pytest.approx([0.003], rel=0.01)


def test_a_session_is_odd_by_three_of_five() -> None:
    assert oddness([0.1, 0.2]) is None
    assert oddness([0.1, 0.9, 0.2, 0.9, 0.3, 0.9]) == 0.3
    assert oddness([0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1]) == 0.9


def test_a_larger_budget_or_fewer_sessions_allow_more_odd_ones() -> None:
    def rate(budget: float, per_day: float) -> float:
        return odd_rate(budget, per_day, need=3, of=6)

    assert rate(0.002, 3) < rate(0.02, 3)
    assert rate(0.002, 3) < rate(0.002, 1)


def test_the_shares_of_the_three_forests_keep_the_budget() -> None:
    """Simulated: connectors whose sessions and days are odd at the allowed rates."""
    random, budget, days = np.random.default_rng(1), 0.002, 4000
    session = allowed_rate(Span.SESSION, budget=budget, rows_per_day=3, sessions_per_day=3)
    window = allowed_rate(Span.WINDOW, budget=budget, rows_per_day=60, sessions_per_day=3)
    day = allowed_rate(Span.DAY, budget=budget, rows_per_day=1, sessions_per_day=3)
    connectors = 50
    tickets = 0
    for _ in range(connectors):
        odd = (random.random(3 * days) < session) | (random.random(3 * days) < window)
        tickets += _tickets(odd, 3, 6) + _tickets(random.random(days) < day, 3, 5)
    assert tickets <= budget * days * connectors


def _tickets(odd: np.ndarray, need: int, of: int) -> int:
    stands = np.convolve(odd, np.ones(of), mode="full")[: len(odd)] >= need
    return int((stands[1:] & ~stands[:-1]).sum())


def test_a_low_quantile_is_counted_or_carried_on() -> None:
    random = np.random.default_rng(1)
    values = random.random(2000) ** 2  # a share r is at or under r squared
    assert lower_quantile(values, 0.05) == pytest.approx(0.0025, rel=0.3)
    few = random.random(300) ** 2
    assert lower_quantile(few, 0.005) == pytest.approx(0.005**2, rel=2)
    assert lower_quantile(few[:20], 0.005) == 0
