"""The isolation forest: drift is found and named, health is left alone, the budget of false tickets is held."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from datetime import timedelta
from functools import cache

import msgspec
import numpy as np
import pytest

from detector.features import FEATURES, Window
from detector.models.baseline import CLIP, NAMES, Baseline
from detector.models.calibration import Calibration, both, odd_session_rate, oddness
from detector.models.forest import Forest
from detector.models.model import MIN_WINDOWS, Model, TrainingError, train
from detector.models.task import Task
from detector.models.watch import PER_CONNECTOR, RETRAIN, ModelWatch
from detector.network import World
from detector.rules import anomaly
from detector.rules.anomaly import in_words
from detector.rules.base import News, Standing, Subject
from detector.view import ConnectorView, ScoredWindow, StationView
from laddvakt.domain.tickets import Severity
from tests.support.charging import Bend, Fleet
from tests.support.detector import START

LATER = START + timedelta(days=10)
BUDGET = 0.002


@cache
def learnt() -> tuple[Model, Fleet]:
    fleet = Fleet()
    return train(fleet.days(10), kind="AC", budget=BUDGET, now=LATER), fleet


def bent(name: str, factor: float) -> Bend:
    return lambda window: {name: window.values[name] * factor} if name in window.values else {}


def judge_all(model: Model, windows: list[Window]) -> list[ScoredWindow]:
    return [model.judge(window) for window in windows]


def tickets(model: Model, windows: list[Window]) -> int:
    """How many findings the rule raises, connector by connector."""
    by_connector: dict[str, list[Window]] = defaultdict(list)
    for window in windows:
        by_connector[window.connector].append(window)
    raised = 0
    for own in by_connector.values():
        view, connector, memory, stood = StationView(station_id="x"), ConnectorView(connector_id=1), None, False
        subject = Subject(view=view, connector=connector, station=None, network=World({}, 300))
        for window, p_value in zip(own, model.p_values(own), strict=True):
            score = ScoredWindow(
                start=window.start,
                transaction_id=window.transaction_id,
                vehicle=window.vehicle,
                p_value=p_value,
                flagged=p_value <= model.info.flag_below,
            )
            subject.news = News(scored=(score,))
            verdict = anomaly.evaluate(subject, memory, anomaly.RULE.defaults(), window.start)
            memory, stands = verdict.memory, verdict.standing is Standing.MET
            raised += stands and not stood
            stood = stands
    return raised


@pytest.mark.parametrize(
    ("name", "factor", "side"),
    [
        ("plug_heat", 1.5, "above"),
        ("current_ripple", 3.0, "above"),
        ("register_balance", 0.96, "below"),
        ("voltage_level", 0.96, "below"),
    ],
)
def test_drift_is_found_and_the_right_feature_named(name: str, factor: float, side: str) -> None:
    model, fleet = learnt()
    windows = fleet.days(4, since=LATER, only=5, bend=bent(name, factor))
    assert tickets(model, windows) >= 1
    flagged = [scored for scored in judge_all(model, windows) if scored.flagged]
    assert len(flagged) > len(windows) / 3
    named = [scored.causes[0].feature for scored in flagged]
    assert named.count(name) > 0.9 * len(named)
    cause = next(scored.causes[0] for scored in flagged if scored.causes[0].feature == name)
    assert f"{FEATURES[name].label} is" in in_words(cause)
    assert f"deviations {side} normal for this model at" in in_words(cause)


def test_health_stays_within_the_budget_of_false_tickets() -> None:
    model, fleet = learnt()
    days = 40
    allowed = BUDGET * days * len(fleet.connectors)
    assert tickets(model, fleet.days(days, since=LATER)) <= allowed


def test_p_values_of_health_are_not_too_small() -> None:
    model, fleet = learnt()
    p_values = np.array(model.p_values(fleet.days(10, since=LATER)))
    for level in (0.01, 0.05, 0.2):
        assert (p_values <= level).mean() <= 1.5 * level


def test_arrays_score_as_scikit_learn_does() -> None:
    from sklearn.ensemble import IsolationForest

    rows = np.random.default_rng(1).normal(size=(600, 5))
    reference = IsolationForest(n_estimators=50, max_samples=256, random_state=1).fit(rows)
    assert Forest.of(reference).score(rows) == pytest.approx(-reference.score_samples(rows), abs=1e-9)


def test_shares_add_up_to_the_shortening_of_the_path() -> None:
    rows = np.random.default_rng(1).normal(size=(600, 5))
    forest = Forest.fit(rows, seed=1)
    total = forest.expected[forest.roots].mean() - np.log2(forest.score(rows)) * -1 * _average(forest)
    assert forest.explain(rows).sum(axis=1) == pytest.approx(total)


def _average(forest: Forest) -> float:
    from detector.models.forest import average_path

    return average_path(forest.samples)


def test_a_model_kept_and_read_judges_the_same() -> None:
    model, fleet = learnt()
    windows = fleet.days(1, since=LATER, only=3, bend=bent("plug_heat", 2))
    again = Model.decode(model.encode())
    assert judge_all(again, windows) == judge_all(model, windows)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x03\x04broken"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no model"):
        Model.decode(data)


def test_the_same_windows_give_the_same_model() -> None:
    windows = Fleet(connectors=8).days(4)
    first, second = (train(windows, kind="AC", budget=BUDGET, now=LATER).encode() for _ in range(2))
    assert Model.decode(first).info == Model.decode(second).info
    assert first == second


def test_too_little_history_is_said() -> None:
    with pytest.raises(TrainingError, match="too few"):
        train(Fleet(connectors=2).days(1)[: MIN_WINDOWS - 1], kind="AC", budget=BUDGET, now=LATER)
    with pytest.raises(TrainingError, match="too few"):
        train(Fleet().days(2), kind="DC", budget=BUDGET, now=LATER)
    one_session = [
        msgspec.structs.replace(window, transaction_id="1", station_id="SE-1") for window in Fleet().days(2)
    ]
    with pytest.raises(TrainingError, match="too few sessions"):
        train(one_session, kind="AC", budget=BUDGET, now=LATER)


def test_training_in_a_process_of_its_own() -> None:
    task = Task(kind="AC", budget=BUDGET, seed=7, now=LATER, windows=Fleet(connectors=8).days(4))
    command = [sys.executable, "-m", "detector.models.train"]
    done = subprocess.run(command, input=msgspec.msgpack.encode(task), capture_output=True, check=True)
    assert Model.decode(done.stdout).info.windows == len(task.windows)
    few = msgspec.structs.replace(task, windows=task.windows[:10])
    failed = subprocess.run(command, input=msgspec.msgpack.encode(few), capture_output=True, check=False)
    assert failed.returncode == 1
    assert b"too few" in failed.stderr


def test_detection_without_models_needs_neither_numpy_nor_scikit_learn() -> None:
    code = (
        "import sys, detector.service; print(sorted({'numpy', 'sklearn', 'scipy', 'apprise'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_connector_is_compared_with_itself_once_it_has_a_past() -> None:
    windows = Fleet().days(10)
    hot = [
        msgspec.structs.replace(w, values=w.values | {"plug_heat": w.values["plug_heat"] * 1.5})
        if w.station_id == "SE-005"
        else w
        for w in windows
    ]
    own = [window for window in hot if window.station_id == "SE-005"]
    baseline = Baseline.fit(hot)
    stranger = [msgspec.structs.replace(window, station_id="SE-999") for window in own]
    as_itself, as_stranger = (
        float(np.median([baseline.residual(window, "plug_heat") or 0.0 for window in windows]))
        for windows in (own, stranger)
    )
    assert as_itself < 0.6 * as_stranger


def test_a_residual_is_clipped_and_a_missing_one_masked() -> None:
    windows = Fleet(connectors=6).days(3)
    baseline = Baseline.fit(windows)
    wild = msgspec.structs.replace(windows[0], values={"plug_heat": 1e9})
    row = dict(zip(NAMES, baseline.row(wild), strict=False))
    mask = dict(zip(NAMES, baseline.row(wild)[len(NAMES) :], strict=True))
    assert row["plug_heat"] == CLIP
    assert mask["plug_heat"] == 0
    assert (row["voltage_level"], mask["voltage_level"]) == (0, 1)
    assert mask["fan_speed"] == 1  # never seen by anybody


def test_calibration_is_empirical_and_then_carries_on_a_little() -> None:
    calibration = Calibration(np.random.default_rng(1).normal(size=999))
    assert calibration.p_value(-10) == 1
    assert calibration.p_value(0) == pytest.approx(0.5, abs=0.05)
    assert 0.1 / 1000 <= calibration.p_value(10) < 1 / 1000
    assert Calibration(np.array([])).p_value(1) == 1
    assert both(0.01, 0.5) == 0.02
    assert both(0.9, 0.8) == 1


def test_a_session_is_odd_by_three_of_five() -> None:
    assert oddness([0.1, 0.2]) is None
    assert oddness([0.1, 0.9, 0.2, 0.9, 0.3, 0.9]) == 0.3
    assert oddness([0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1]) == 0.9


def test_a_larger_budget_or_fewer_sessions_allow_more_odd_ones() -> None:
    assert odd_session_rate(0.002, 3) < odd_session_rate(0.02, 3)
    assert odd_session_rate(0.002, 3) < odd_session_rate(0.002, 1)


def _score(transaction: str, vehicle: str, flagged: bool) -> ScoredWindow:
    return ScoredWindow(
        start=START,
        transaction_id=transaction,
        vehicle=vehicle,
        p_value=0.001 if flagged else 0.5,
        flagged=flagged,
    )


def _rule(sessions: list[tuple[str, str, list[bool]]]) -> tuple[Standing, str]:
    connector, memory = ConnectorView(connector_id=1), None
    subject = Subject(
        view=StationView(station_id="SE-1"), connector=connector, station=None, network=World({}, 300)
    )
    verdict = anomaly.evaluate(subject, memory, anomaly.RULE.defaults(), START)
    for transaction, vehicle, flags in sessions:
        for flagged in flags:
            subject.news = News(scored=(_score(transaction, vehicle, flagged),))
            verdict = anomaly.evaluate(subject, verdict.memory, anomaly.RULE.defaults(), START)
    if verdict.standing is Standing.MET:
        finding = anomaly.describe(subject, verdict.memory, anomaly.RULE.defaults(), START)
        assert finding.severity is Severity.P4
    return verdict.standing, str(verdict.reason)


ODD, FINE = [True, False, True, True], [False] * 4


def test_the_rule_wants_three_sessions_and_two_vehicles() -> None:
    assert _rule([]) == (Standing.NOT_MET, "nothing_scored")
    assert _rule([("1", "A", FINE)]) == (Standing.NOT_MET, "usual")
    assert _rule([("1", "A", ODD), ("2", "B", ODD)]) == (Standing.NOT_MET, "some_sessions")
    assert _rule([("1", "A", ODD), ("2", "A", ODD), ("3", "A", ODD)]) == (Standing.NOT_MET, "one_vehicle")
    assert _rule([("1", "A", ODD), ("2", "A", ODD), ("3", "B", ODD)]) == (Standing.MET, "unusual")


def test_flags_too_far_apart_make_no_odd_session() -> None:
    apart = [True, False, False, True, False, False, True]
    assert _rule([(str(n), str(n), apart) for n in range(3)]) == (Standing.NOT_MET, "usual")


def test_good_sessions_clear() -> None:
    odd = [(str(n), str(n), ODD) for n in range(3)]
    fine = [(str(n), str(n), FINE) for n in range(3, 7)]
    assert _rule(odd + fine[:3])[0] is Standing.MET
    assert _rule(odd + fine)[0] is Standing.NOT_MET
    short = [(str(n), str(n), [False]) for n in range(3, 9)]
    assert _rule(odd + short)[0] is Standing.MET  # too short to tell


def test_what_is_learnt_leaves_suspects_out_and_is_bounded() -> None:
    fleet = Fleet(connectors=2)
    watch = ModelWatch(train_after=timedelta(hours=24))
    windows = fleet.days(30)
    for window in windows:
        assert watch.take(window, suspect=window.station_id == "SE-001") is None
    now = windows[-1].start
    history = watch.history("AC", now)
    assert {window.station_id for window in history} == {"SE-000"}
    assert len(history) == PER_CONNECTOR
    watch.forget("SE-000", now)
    assert all(window.start < now - timedelta(hours=24) for window in watch.history("AC", now))
    again = ModelWatch(train_after=timedelta(hours=24))
    again.restore(watch.encode())
    assert again.history("AC", now) == watch.history("AC", now)
    again.restore(b"damaged")


def test_training_is_due_after_enough_history_and_then_daily() -> None:
    watch = ModelWatch(train_after=timedelta(hours=24))
    windows = Fleet(connectors=12).days(2)
    for window in windows:
        watch.take(window, suspect=False)
    first = windows[0].start
    assert watch.due(first + timedelta(hours=23)) is None
    now = first + timedelta(hours=48)
    assert watch.due(now) == "AC"
    watch.tried("AC", now)
    assert watch.due(now + RETRAIN - timedelta(minutes=1)) is None
    assert watch.due(now + RETRAIN) == "AC"
