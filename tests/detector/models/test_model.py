"""A model: drift is found and named, health is left alone, the budget of false tickets is held."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache

import msgspec
import numpy as np
import pytest

from detector.features import FEATURES, FEATURES_OF, Context, Span, Window
from detector.models.baseline import rows_of
from detector.models.chunk import Chunk, chunks
from detector.models.forest import Forest
from detector.models.history import Exclusion
from detector.models.model import MIN_ROWS, PER_CONNECTOR, Model, TrainingError, contrast, thinned, train
from detector.models.samples import Floats, Samples, joined
from detector.models.task import Task, framed, read_framed
from detector.models.train import train_task
from detector.network import World
from detector.rules import anomaly
from detector.rules.anomaly import in_words
from detector.rules.base import News, Standing, Subject
from detector.view import ConnectorView, ScoredWindow, StationView
from tests.support.charging import Bend, Fleet
from tests.support.detector import START

LATER = START + timedelta(days=10)
BUDGET = 0.002


@cache
def learnt() -> tuple[Model, Fleet]:
    fleet = Fleet()
    return train(Samples.of(fleet.days(10)), budget=BUDGET, now=LATER), fleet


def bent(name: str, factor: float) -> Bend:
    return lambda window: {name: window.values[name] * factor} if name in window.values else {}


def tickets(model: Model, windows: list[Window]) -> int:
    """How many findings the rule raises, connector by connector."""
    by_connector: dict[str, list[Window]] = defaultdict(list)
    for window in windows:
        by_connector[window.connector].append(window)
    raised = 0
    for own in by_connector.values():
        view, connector, memory, stood = StationView(station_id="x"), ConnectorView(connector_id=1), None, False
        subject = Subject(view=view, connector=connector, station=None, network=World({}, 300))
        for window, p_value in zip(own, model.score(own), strict=True):
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
    ("name", "factor", "how"),
    [
        ("plug_heat", 1.5, "times"),
        ("current_ripple", 3.0, "times"),
        ("register_balance", 0.96, "deviations below"),
        ("voltage_level", 0.96, "deviations below"),
    ],
)
def test_drift_is_found_and_the_right_feature_named(name: str, factor: float, how: str) -> None:
    model, fleet = learnt()
    windows = fleet.days(4, since=LATER, only=5, bend=bent(name, factor))
    assert tickets(model, windows) >= 1
    flagged = [scored for scored in model.judge(windows) if scored.flagged]
    assert len(flagged) > len(windows) / 5
    named = [scored.causes[0].feature for scored in flagged]
    assert named.count(name) > 0.9 * len(named)
    cause = next(scored.causes[0] for scored in flagged if scored.causes[0].feature == name)
    assert f"{FEATURES[name].label} is" in in_words(cause)
    assert f"{how} normal for this " in in_words(cause)


def test_health_stays_within_the_budget_of_false_tickets() -> None:
    model, fleet = learnt()
    days = 40
    allowed = BUDGET * days * len(fleet.connectors)
    assert tickets(model, fleet.days(days, since=LATER)) <= allowed


def test_p_values_of_health_are_not_too_small() -> None:
    model, fleet = learnt()
    p_values = model.score(fleet.days(10, since=LATER))
    for level in (0.01, 0.05, 0.2):
        assert (p_values <= level).mean() <= 1.5 * level


def test_a_model_kept_and_read_judges_the_same() -> None:
    model, fleet = learnt()
    windows = fleet.days(1, since=LATER, only=3, bend=bent("plug_heat", 2))
    again = Model.decode(model.encode())
    assert again.judge(windows) == model.judge(windows)
    assert again.info == model.info
    assert np.array_equal(again.reference.edges, model.reference.edges)


def test_what_is_judged_alone_is_judged_the_same_among_many() -> None:
    model, fleet = learnt()
    windows = fleet.days(1, since=LATER, only=3, bend=bent("plug_heat", 1.4))
    assert [model.judge([window])[0] for window in windows] == model.judge(windows)
    assert model.judge([]) == []


@pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x03\x04broken"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no model"):
        Model.decode(data)


def test_a_model_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = learnt()[0].encode()
    monkeypatch.setattr("detector.models.model.VERSION", 99)
    with pytest.raises(ValueError, match="version"):
        Model.decode(data)


def test_the_same_rows_give_the_same_model() -> None:
    samples = Samples.of(Fleet(connectors=8).days(4))
    first, second = (train(samples, budget=BUDGET, now=LATER).encode() for _ in range(2))
    assert first == second


def test_few_rows_all_calibrate_and_of_many_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = Samples.of(Fleet(connectors=8).days(4))
    few = train(samples, budget=BUDGET, now=LATER).info
    assert few.held_out == few.rows == len(samples)
    monkeypatch.setattr("detector.models.model.FEW_ROWS", 0)
    many = train(samples, budget=BUDGET, now=LATER).info
    assert 0.2 < many.held_out / many.rows < 0.4


def test_too_little_history_is_said() -> None:
    few = Fleet(connectors=2).days(1)[: MIN_ROWS[Span.WINDOW] - 1]
    with pytest.raises(TrainingError, match="too few"):
        train(Samples.of(few), budget=BUDGET, now=LATER)
    one_session = [msgspec.structs.replace(w, transaction_id="1", station_id="SE-1") for w in Fleet().days(2)]
    with pytest.raises(TrainingError, match="several sessions"):
        train(Samples.of(one_session), budget=BUDGET, now=LATER)


def test_a_week_of_eight_connectors_is_enough_for_days() -> None:
    rows = [
        msgspec.structs.replace(
            Fleet(connectors=1).days(1)[0],
            station_id=f"SE-{connector}",
            transaction_id=str(day),
            start=START + timedelta(days=day),
            span=Span.DAY,
            values={"sessions": 3.0 + (connector + day) % 3},
        )
        for connector in range(8)
        for day in range(7)
    ]
    assert train(Samples.of(rows), budget=BUDGET, now=LATER).info.rows == 56


def test_no_connector_fills_the_training() -> None:
    busy = Fleet(connectors=2).days(28)
    assert len(busy) > 2 * PER_CONNECTOR
    kept = thinned(Samples.of(busy), most=10**6)
    assert np.bincount(kept.thing).tolist() == [PER_CONNECTOR, PER_CONNECTOR]
    sessions = {window.transaction_id for window in busy}
    assert 20 < len(np.unique(kept.group)) < len(sessions)
    assert len(thinned(kept, most=200)) == 200


def test_another_algorithm_plugs_in_where_the_forest_is() -> None:
    class Farthest:
        """The sum of absolute residuals."""

        def __init__(self, features: int) -> None:
            self.features = features

        def shares(self, rows: Floats) -> Floats:
            return np.abs(rows[:, : self.features])

    def fit(rows: Floats, *, features: int, seed: int) -> Farthest:
        return Farthest(features)

    fleet = Fleet()
    model = train(Samples.of(fleet.days(6)), budget=BUDGET, now=LATER, fit=fit, contextual=False)
    odd = fleet.days(1, since=LATER, only=5, bend=bent("plug_heat", 3))
    assert np.median(model.score(odd)) < 0.01
    with pytest.raises(TypeError):
        model.encode()


def test_rows_survive_being_kept_and_joined() -> None:
    windows = Fleet(connectors=3).days(2)
    (chunk,) = chunks(windows)
    whole = Samples.read(Chunk.decode(chunk.encode()))
    parts = [Samples.read(part) for n in range(0, len(windows), 50) for part in chunks(windows[n : n + 50])]
    again = joined(parts)
    assert np.array_equal(again.values, whole.values, equal_nan=True)
    assert [again.things[n] for n in again.thing] == [whole.things[n] for n in whole.thing]
    assert np.array_equal(again.group, whole.group)
    with pytest.raises(ValueError, match="no chunk"):
        Chunk.decode(b"nonsense")


def task(exclusions: list[Exclusion]) -> Task:
    since = int(START.timestamp()) - 1
    return Task(span=Span.WINDOW, kind="AC", budget=BUDGET, seed=7, now=LATER, since=since, exclusions=exclusions)


def test_what_tickets_say_was_broken_is_not_learnt() -> None:
    windows = Fleet(connectors=8).days(4)
    data = [chunk.encode() for chunk in chunks(windows)]
    begin, end = int(START.timestamp()), int(LATER.timestamp())
    left_out = [
        Exclusion("SE-001", begin, end),
        Exclusion("SE-002", begin, begin - 1),
        Exclusion("SE-003", begin, end, only_days=True),
        Exclusion("SE-unknown", begin, end),
    ]
    model = train_task(task(left_out), data)
    assert model.info.rows == sum(window.station_id != "SE-001" for window in windows)


def test_training_in_a_process_of_its_own() -> None:
    windows = Fleet(connectors=8).days(4)
    data = [framed(chunk.encode()) for n in range(0, len(windows), 100) for chunk in chunks(windows[n : n + 100])]
    command = [sys.executable, "-m", "detector.models.train"]
    told = framed(msgspec.msgpack.encode(task([])))
    done = subprocess.run(command, input=told + b"".join(data), capture_output=True, check=True)
    assert Model.decode(done.stdout).info.rows == len(windows)
    failed = subprocess.run(command, input=told + data[0], capture_output=True, check=False)
    assert failed.returncode == 1
    assert b"too few" in failed.stderr


def test_a_task_that_breaks_off_is_told() -> None:
    stream = io.BytesIO(framed(b"one") + framed(b"two")[:-1])
    assert read_framed(stream) == b"one"
    with pytest.raises(EOFError):
        read_framed(stream)
    assert read_framed(stream) is None


def test_detection_without_models_needs_neither_numpy_nor_scikit_learn() -> None:
    code = (
        "import sys, detector.service; print(sorted({'numpy', 'sklearn', 'scipy', 'apprise'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def rows_of_sessions(
    days: int, *, since: datetime, seed: int, latency: float = 1.0, only: int | None = None
) -> list[Window]:
    """Three sessions a day of forty connectors, as a whole."""
    random = np.random.default_rng(seed)
    found = []
    for connector in range(40) if only is None else [only]:
        for number in range(3 * days):
            values = {
                "start_latency": float(random.normal(20 + connector % 5, 4)) * latency,
                "load_factor": float(random.normal(0.9, 0.05)),
                "ended_badly": float(random.random() < 0.01),
                "pauses": float(random.poisson(0.1)),
            }
            found.append(
                Window(
                    station_id=f"SE-{connector}",
                    connector_id=1,
                    transaction_id=f"{since:%d}-{number}",
                    vehicle=f"v{number}",
                    start=since + timedelta(hours=8 * number),
                    kind="AC",
                    model="Acme",
                    context=Context(3, -1, 3),
                    current_a=16.0,
                    values=values,
                    span=Span.SESSION,
                )
            )
    return found


def test_sessions_have_a_forest_of_their_own() -> None:
    model = train(Samples.of(rows_of_sessions(14, since=START, seed=1)), budget=BUDGET, now=LATER)
    assert model.info.span is Span.SESSION
    healthy = model.score(rows_of_sessions(14, since=LATER, seed=2))
    assert (healthy <= model.info.flag_below).mean() < 3 * model.info.flag_below
    slow = rows_of_sessions(14, since=LATER, seed=3, latency=4, only=7)
    scored = model.judge(slow)
    assert sum(row.flagged for row in scored) > 0.8 * len(scored)
    assert {row.span for row in scored} == {"session"}
    assert scored[0].causes[0].feature == "start_latency"
    assert " times normal for this model" in in_words(scored[0].causes[0])


def raised_by_sessions(model: Model, windows: list[Window], vehicles: int) -> str:
    """What the rule holds after these sessions of so many vehicles, in turn."""
    view, memory, reason = StationView(station_id="x"), None, ""
    subject = Subject(view=view, connector=ConnectorView(connector_id=1), station=None, network=World({}, 300))
    cars = [msgspec.structs.replace(w, vehicle=f"v{n % vehicles}") for n, w in enumerate(windows)]
    for scored in model.judge(cars):
        subject.news = News(scored=(scored,))
        verdict = anomaly.evaluate(subject, memory, anomaly.RULE.defaults(), scored.start)
        memory, reason = verdict.memory, str(verdict.reason)
        if verdict.standing is Standing.MET:
            return reason
    return ""


def test_a_steady_shift_of_one_feature_adds_up() -> None:
    model = train(Samples.of(rows_of_sessions(14, since=START, seed=1)), budget=BUDGET, now=LATER)

    def lowered(by: float, sessions: int) -> list[Window]:
        own = rows_of_sessions(4, since=LATER, seed=5, only=7)[:sessions]
        return [
            msgspec.structs.replace(w, values=w.values | {"load_factor": w.values["load_factor"] - by})
            for w in own
        ]

    four_deviations, three_deviations = lowered(0.2, 6), lowered(0.15, 10)
    assert raised_by_sessions(model, four_deviations, vehicles=3) == "steady"
    assert raised_by_sessions(model, three_deviations, vehicles=3) == "steady"
    assert raised_by_sessions(model, four_deviations, vehicles=1) == ""
    year = rows_of_sessions(365, since=LATER, seed=6, only=7)
    assert raised_by_sessions(model, year, vehicles=50) == ""


def test_what_few_stations_lack_is_nothing_odd() -> None:
    random = np.random.default_rng(1)
    residuals = random.normal(0, 1, (3000, 14)).astype(np.float32)
    residuals[:30, 3:9] = np.nan
    forest = Forest.fit(rows_of(residuals), features=14, seed=7)
    usual, lacking = np.zeros((1, 14), np.float32), np.zeros((1, 14), np.float32)
    lacking[0, 3:9] = np.nan
    assert forest.shares(rows_of(lacking)).sum() > forest.shares(rows_of(usual)).sum() + 0.5
    assert contrast(forest, lacking).sum() == pytest.approx(0, abs=1e-4)
    lacking[0, 0] = 8
    assert contrast(forest, lacking)[0].argmax() == 0
    assert contrast(forest, lacking).sum() > 0.1


def test_what_is_far_off_together_is_odder_with_tails_than_to_the_forest_alone() -> None:
    """Three of twenty features at their limits: a meter that is wrong."""
    features = FEATURES_OF[Span.SESSION]
    off = dict.fromkeys(("energy_balance", "power_balance", "register_balance"), 0.3)
    usual = sessions(600, features)
    broken = [msgspec.structs.replace(row, values=row.values | off) for row in sessions(5, features, seed=2)]
    with_tails = train(Samples.of(usual), budget=BUDGET, now=LATER)
    alone = train(Samples.of(usual), budget=BUDGET, now=LATER, with_tails=False)
    assert all(scored.flagged for scored in with_tails.judge(broken))
    assert (with_tails.score(broken) <= alone.score(broken)).all()
    with pytest.raises(TypeError, match="tails"):
        alone.encode()


def sessions(count: int, names: Iterable[str], seed: int = 1) -> list[Window]:
    """Whole sessions of ten connectors; every tenth is odd in its own way, as in any fleet."""
    random = np.random.default_rng(seed)
    return [
        Window(
            station_id=f"SE-{number % 10}",
            connector_id=1,
            transaction_id=f"{seed}-{number}",
            vehicle=f"car {number % 17}",
            start=START + timedelta(hours=number),
            kind="AC",
            model="Acme",
            context=Context(3, -1, 3),
            current_a=16.0,
            values={name: float(random.normal(1, 0.2 if number % 10 == 0 else 0.02)) for name in names},
            span=Span.SESSION,
            ended_at=START + timedelta(hours=number + 1),
        )
        for number in range(count)
    ]
