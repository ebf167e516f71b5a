"""The isolation forests: judging a fleet of 50,000 connectors, and learning from 28 days of 5,000.

Against scikit-learn on the same forest and the same rows: its `score_samples` gives a score and nothing else, ours
the residuals, the score, each feature's share in it and the p-value. Processor time, never the clock on the wall.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sklearn.ensemble import IsolationForest

from benchmarks.harness import ROOT, Result, Row, Size
from detector.features import FEATURES_OF, Context, Span, Window
from detector.models.baseline import rows_of
from detector.models.chunk import Chunk, Thing
from detector.models.forest import SAMPLES, TREES
from detector.models.model import Model
from detector.models.samples import Samples, joined
from detector.models.task import Task, framed
from detector.models.watch import ModelWatch

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAYS = 28
A_DAY = {Span.WINDOW: 24, Span.SESSION: 4, Span.DAY: 1}
"""Rows of a connector and day that are kept to learn from: of windows the most there can be."""
_MAKES = 12
_MISSING = 0.2
_WINDOWS_A_SESSION = 6
PEER = "scikit-learn `score_samples`"
ARRAYS = "scores, shares of features and p-values"
WHOLE = "rows in, judgements in words out"


class _Cost(NamedTuple):
    processor_s: float
    peak_mib: float
    model: Model


def _day(span: Span, day: int, connectors: int) -> Chunk:
    """One day of a made-up fleet: every connector has a level of its own, and every row some noise."""
    random = np.random.default_rng(1000 * day + A_DAY[span])
    names, per_day = FEATURES_OF[span], A_DAY[span]
    thing = np.repeat(np.arange(connectors, dtype=np.uint32), per_day)
    level = np.random.default_rng(5).normal(20.0, 2.0, (connectors, len(names)))
    values = (level[thing] + random.normal(0.0, 1.0, (len(thing), len(names)))).astype(np.float32)
    values[random.random(values.shape) < _MISSING] = np.nan
    session = np.arange(len(thing)) // (_WINDOWS_A_SESSION if span is Span.WINDOW else 1)
    start = int((NOW - timedelta(days=DAYS - day)).timestamp())
    bins = np.column_stack([random.integers(0, 8, (len(thing), 1)), random.integers(-1, 4, (len(thing), 3))])
    return Chunk(
        span=span,
        kind="AC",
        things=[_thing(number) for number in range(connectors)],
        thing=thing.tobytes(),
        group=(session * 2654435761 + day).astype(np.uint32).tobytes(),
        at=(start + np.tile(np.arange(per_day) * 3600, connectors)).astype(np.uint32).tobytes(),
        context=bins.astype(np.int8).tobytes(),
        values=values.tobytes(),
    )


def _thing(number: int) -> Thing:
    return Thing(f"BENCH-{number // 2:05}", number % 2 + 1, f"Model {number % _MAKES}|1.0|type2")


def _train_apart(span: Span, connectors: int) -> _Cost:
    """As the running detector does it: a process of its own, told chunk by chunk."""
    process = subprocess.Popen(
        [sys.executable, "-m", "detector.models.train"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    task = Task(span=span, kind="AC", budget=0.002, seed=7, now=NOW, since=0, exclusions=[])
    process.stdin.write(framed(msgspec.msgpack.encode(task)))
    for day in range(DAYS):
        process.stdin.write(framed(_day(span, day, connectors).encode()))
    process.stdin.close()
    model = process.stdout.read()
    process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"training of {span} ended with {process.returncode}")
    return _Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, Model.decode(model))


def _train_bare(span: Span, connectors: int, held_out: int) -> float:
    """What scikit-learn takes to fit a forest to the same rows, which are in memory already, and to score those
    that are held out to calibrate it."""
    rows = rows_of(joined(Samples.read(_day(span, day, connectors)) for day in range(DAYS)).values)
    return _spent(lambda: _bare_forest(len(rows)).fit(rows).score_samples(rows[:held_out]))


def _bare_forest(rows: int) -> IsolationForest:
    return IsolationForest(n_estimators=TREES, max_samples=min(SAMPLES, rows), random_state=7)


def _spent(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _windows(connectors: int) -> list[Window]:
    """One row of each connector of a fleet, as the engine hands them over."""
    names = tuple(FEATURES_OF[Span.WINDOW])
    random = np.random.default_rng(1)
    values = random.normal(20.0, 2.0, (connectors, len(names))).tolist()
    return [
        Window(
            station_id=f"BENCH-{number // 2:05}",
            connector_id=number % 2 + 1,
            transaction_id=str(number),
            vehicle=str(number),
            start=NOW,
            kind="AC",
            model=f"Model {number % _MAKES}",
            context=Context(number % 8, -1, 3, 2),
            current_a=16.0,
            values=dict(zip(names, row, strict=True)),
            firmware="1.0",
            connector_type="type2",
        )
        for number, row in enumerate(values)
    ]


def _judging(size: Size, model: Model) -> tuple[tuple[Row, ...], int]:
    """Rows of the table, and how many judgements there were."""
    windows = _windows(size.fleet)
    samples = Samples.of(windows)
    watch = ModelWatch(train_after=timedelta(), learns=False)
    watch.reinstate(model)
    rows = rows_of(model.baseline.residuals(samples))
    bare = _bare_forest(len(rows)).fit(rows[: min(len(rows), 20_000)])
    bare.score_samples(rows[:1000])  # warm
    suspects, judged = [False] * len(windows), 0
    taken: dict[str, list[float]] = {PEER: [], ARRAYS: [], WHOLE: []}
    for _ in range(size.repeats):
        taken[PEER].append(_spent(lambda: bare.score_samples(rows)))
        taken[ARRAYS].append(_spent(lambda: model.judge_samples(samples)))
        began = time.process_time()
        judged += sum(scored is not None for scored in watch.take_all(windows, suspects))
        taken[WHOLE].append(time.process_time() - began)
    return tuple(_row(name, "s", times, () if name == PEER else (PEER,)) for name, times in taken.items()), judged


def _row(name: str, unit: str, samples: list[float], peers: tuple[str, ...] = (), **notes: float) -> Row:
    return Row(name=name, unit=unit, samples=tuple(round(one, 4) for one in samples), peers=peers, notes=notes)


def run(size: Size, folder: Path) -> Result:
    """Each training once: it takes long, and processor time hardly differs. All before this process grows, as a
    child's peak of memory begins with its parent's."""
    costs = {span: _train_apart(span, size.learners) for span in Span}
    trained: list[Row] = []
    for span, cost in costs.items():
        peer = f"scikit-learn, fit and scores, {span} rows"
        name, peak = f"learning from {DAYS} days, {span} rows", round(cost.peak_mib)
        trained += [
            _row(peer, "s", [_train_bare(span, size.learners, cost.model.info.held_out)]),
            _row(name, "s", [cost.processor_s], (peer,), MiB=peak),
        ]
    judging, judged = _judging(size, costs[Span.WINDOW].model)
    return Result(
        benchmark="forests",
        title=f"Isolation forests: judging {size.fleet} connectors, learning from {size.learners}; processor time",
        rows=(*judging, *trained),
        asked=size.fleet * size.repeats,
        counted=judged,
    )
