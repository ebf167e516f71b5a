"""Challenger against champion: the better one judges, and the reason is named."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.features import Span
from detector.models.trial import PROMOTED, Outcome, Seen, Trial, decide
from tests.support.detector import START


def trial(
    *,
    healthy: int = 2000,
    champion: int = 10,
    challenger: int = 10,
    suspect: int = 0,
    sees: tuple[float, float] = (0.01, 0.01),
) -> Trial:
    made = Trial()
    for number in range(healthy):
        made.add(Seen(0.5, 0.5, number < champion, number < challenger), suspect=False)
    for _ in range(suspect):
        made.add(Seen(*sees, False, False), suspect=True)
    return made


def outcome(of: Trial, *, days: float = 1) -> Outcome:
    return decide(of, Span.WINDOW, flag_below=0.004, champion_trained_at=START, now=START + timedelta(days=days))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (trial(healthy=100), Outcome.UNDECIDED),
        (trial(), Outcome.AS_GOOD_AND_FRESHER),
        (trial(champion=100, challenger=4), Outcome.FEWER_FLAGS),
        (trial(challenger=200), Outcome.FLAGS_TOO_OFTEN),
        (trial(suspect=50, sees=(0.001, 0.1)), Outcome.SEPARATES_WORSE),
        (trial(suspect=50, sees=(0.1, 0.001)), Outcome.SEPARATES_BETTER),
        (trial(suspect=5, sees=(0.001, 0.1)), Outcome.AS_GOOD_AND_FRESHER),
    ],
)
def test_the_reason_is_named(seen: Trial, expected: Outcome) -> None:
    assert outcome(seen) is expected


def test_an_old_champion_gives_way_unless_the_new_one_cries_wolf() -> None:
    worse = trial(suspect=50, sees=(0.001, 0.1))
    assert outcome(worse, days=20) is Outcome.CHAMPION_TOO_OLD
    assert outcome(trial(challenger=200), days=20) is Outcome.FLAGS_TOO_OFTEN
    assert Outcome.CHAMPION_TOO_OLD in PROMOTED
    assert Outcome.SEPARATES_WORSE not in PROMOTED


def test_the_figures_of_a_decision() -> None:
    figures = trial(champion=20, challenger=10, suspect=2).figures()
    assert figures["champion_flag_rate"] == 0.01
    assert figures["challenger_flag_rate"] == 0.005
    assert figures["agreement"] == 0.5
    assert figures["champion_surprise"] == pytest.approx(2)
    assert Trial().agreement == 1
