"""What is gathered is bounded; training is due for a named reason; models are tried before they are used."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import msgspec
import pytest

from detector.features import Span, Window
from detector.models import trial
from detector.models.chunk import group_of
from detector.models.model import Model, train
from detector.models.samples import Samples
from detector.models.trial import Outcome
from detector.models.watch import EARLY, RETRAIN, STRANGERS, WINDOWS_A_DAY, ModelKey, ModelWatch, Why
from tests.support.charging import Fleet
from tests.support.detector import START

AC = ModelKey(Span.WINDOW, "AC")
LATER = START + timedelta(days=10)
DAY = timedelta(hours=24)


@cache
def model(seed: int = 7) -> Model:
    return train(Samples.of(Fleet().days(10)), budget=0.002, now=LATER, seed=seed)


def feed(watch: ModelWatch, windows: list[Window], *, suspect: bool = False) -> int:
    """How many were judged."""
    return sum(scored is not None for scored in watch.take_all(windows, [suspect] * len(windows)))


def test_a_busy_connector_is_kept_in_whole_sessions_up_to_its_share() -> None:
    watch = ModelWatch(train_after=DAY)
    windows = Fleet(connectors=1).days(28, sessions_a_day=8)
    windows.sort(key=lambda window: (window.transaction_id, window.start))  # one session after the other
    feed(watch, windows)
    kept = watch.take_gathered()
    assert watch.take_gathered() == []
    need = watch.due(LATER + DAY)
    assert need is not None
    assert need.kept == pytest.approx(len(kept) / len(windows), rel=0.2)
    assert 0.8 < len(kept) / (28 * WINDOWS_A_DAY) < 1.3
    every = dict.fromkeys(map(group_of, windows), 0)
    for window in windows:
        every[group_of(window)] += 1
    assert all(sum(group_of(w) == group for w in kept) == every[group] for group in set(map(group_of, kept)))


def test_training_is_due_after_enough_history_and_then_daily() -> None:
    watch = ModelWatch(train_after=DAY)
    windows = Fleet(connectors=12).days(2)
    feed(watch, windows)
    first = windows[0].start
    assert watch.due(first + timedelta(hours=23)) is None
    now = first + timedelta(hours=48)
    need = watch.due(now)
    assert need is not None
    assert (need.key, need.why) == (AC, Why.FIRST)
    watch.tried(AC, now)
    assert watch.due(now + EARLY - timedelta(minutes=1)) is None
    watch.install(model())
    watch.tried(AC, LATER)
    assert watch.due(LATER + RETRAIN - timedelta(minutes=1)) is None
    need = watch.due(LATER + RETRAIN)
    assert need is not None
    assert need.why is Why.DAILY


def test_new_firmware_is_not_judged_but_learnt_early() -> None:
    watch = ModelWatch(train_after=DAY)
    watch.install(model())
    windows = Fleet(connectors=12).days(2, since=LATER)
    assert feed(watch, windows) == len(windows)
    updated = [msgspec.structs.replace(window, firmware="2.0") for window in windows]
    assert feed(watch, updated[: STRANGERS[Span.WINDOW] - 1]) == 0
    assert watch.due(LATER + EARLY) is None
    assert feed(watch, updated) == 0
    need = watch.due(LATER + EARLY)
    assert need is not None
    assert need.why is Why.NEW_EQUIPMENT


def test_drift_is_a_reason_to_train_early_and_names_the_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.models.drift.ENOUGH", {Span.WINDOW: 800})
    watch = ModelWatch(train_after=DAY)
    watch.install(model())
    fleet = Fleet()
    feed(watch, fleet.days(1, since=LATER))
    assert watch.due(LATER + EARLY) is None
    feed(watch, fleet.days(2, since=LATER, bend=lambda w: {"voltage_level": w.values["voltage_level"] + 4}))
    need = watch.due(LATER + EARLY)
    assert need is not None
    assert need.why is Why.DRIFT
    assert "voltage_level: population stability index" in need.detail


def test_a_challenger_is_tried_before_it_replaces_the_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ENOUGH", {Span.WINDOW: 500})
    watch = ModelWatch(train_after=DAY)
    first, second = model(), model(seed=8)
    assert watch.install(first) is Outcome.FIRST
    assert watch.install(second) is Outcome.UNDECIDED
    assert watch.models()[AC] is first
    assert watch.settle(LATER) == []
    fleet = Fleet()
    feed(watch, fleet.days(1, since=LATER))
    feed(watch, fleet.days(1, since=LATER, only=3), suspect=True)
    (decision,) = watch.settle(LATER)
    assert decision.outcome is Outcome.AS_GOOD_AND_FRESHER
    assert decision.figures["healthy_rows"] > 500
    assert watch.models()[AC] is second
    assert watch.settle(LATER) == []


def test_a_challenger_that_cries_wolf_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ENOUGH", {Span.WINDOW: 500})
    watch = ModelWatch(train_after=DAY)
    watch.install(model())
    nervous = model(seed=9)
    nervous = Model(
        msgspec.structs.replace(nervous.info, flag_below=0.9),
        nervous.baseline,
        nervous.forest,
        scores=nervous.scores,
        leaning=nervous.leaning,
        reference=nervous.reference,
    )
    watch.install(nervous)
    monkeypatch.setattr(
        "detector.models.watch.decide",
        lambda of, span, **given: trial.decide(of, span, **{**given, "flag_below": 0.01}),
    )
    feed(watch, Fleet().days(1, since=LATER))
    (decision,) = watch.settle(LATER)
    assert decision.outcome is Outcome.FLAGS_TOO_OFTEN
    assert watch.models()[AC] is model()


def test_the_oddness_of_its_windows_is_a_feature_of_a_day() -> None:
    watch = ModelWatch(train_after=DAY)
    watch.install(model())
    windows = Fleet().days(1, since=LATER, only=3)
    feed(watch, windows)
    day = msgspec.structs.replace(windows[0], span=Span.DAY, values={"sessions": 3.0})
    watch.take_gathered()
    feed(watch, [day, day])
    first, second = watch.take_gathered()
    assert 0 < first.values["oddness"] < 2
    assert "oddness" not in second.values


def test_progress_is_kept_over_restarts() -> None:
    watch = ModelWatch(train_after=DAY)
    feed(watch, Fleet(connectors=12).days(2))
    again = ModelWatch(train_after=DAY)
    again.restore(watch.encode())
    now = START + timedelta(hours=60)
    assert again.due(now) == watch.due(now) is not None
    again.restore(b"damaged")
    assert ModelWatch(train_after=DAY).due(now) is None
