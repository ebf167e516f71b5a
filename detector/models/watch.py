"""Gathers rows to learn from, says when it is time to learn and why, and judges with the models in use.

Bounded: at most 24 windows a connector and day are kept (whole sessions, by a bucket that fills evenly), every
session and every day; what is gathered waits in memory until `take_gathered`, at most 100 000 rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from detector.features import FEATURES_OF, Span, Window
from detector.models.trial import PROMOTED, Outcome, Seen, Trial, decide, surprise
from detector.view import ScoredWindow

if TYPE_CHECKING:
    from detector.models.drift import Drift
    from detector.models.model import Model
    from detector.models.samples import Samples

logger = logging.getLogger(__name__)

KINDS = ("AC", "DC")
WINDOWS_A_DAY = 24.0
_BURST = 3 * WINDOWS_A_DAY
MOST_WAITING = 100_000
TRAILING = timedelta(days=28)
RETRAIN = timedelta(hours=24)
EARLY = timedelta(hours=6)
"""Shortest time between two trainings, whatever the reason."""
TOO_FEW = {Span.WINDOW: 300, Span.SESSION: 100, Span.DAY: 50}
STRANGERS = {Span.WINDOW: 200, Span.SESSION: 40, Span.DAY: 20}
"""Rows of makes that the model does not know, after which it is trained early."""


class ModelKey(NamedTuple):
    """Which of the forests."""

    span: Span
    kind: str

    @property
    def name(self) -> str:
        return f"{self.span}-{self.kind}"


class Why(StrEnum):
    """Why a model is trained now."""

    FIRST = "first"  # there is none, and enough was gathered
    DAILY = "daily"  # the last one is a day old
    DRIFT = "drift"  # what comes in is no longer like what it was trained on
    NEW_EQUIPMENT = "new_equipment"  # firmware or a model of station that it has never seen


class Need(NamedTuple):
    """A training that is due. `detail`: for the log. `kept`: the share of sessions whose rows were kept."""

    key: ModelKey
    why: Why
    detail: str = ""
    kept: float = 1.0


class Decision(NamedTuple):
    """What became of a challenger. `figures`: what it was decided on."""

    key: ModelKey
    outcome: Outcome
    figures: dict[str, float]
    challenger: Model


class _Bucket(msgspec.Struct):
    """How many more windows of a connector may be kept; of its present session, whether."""

    left: float
    at: datetime
    transaction_id: str = ""
    keeps: bool = True


class _Day(msgspec.Struct):
    """How odd a connector's windows were since its last day was closed."""

    surprise: float = 0.0
    windows: int = 0


class Progress(msgspec.Struct, kw_only=True):
    """What is known of one forest's rows, kept over restarts."""

    begun: datetime | None = None  # the first row that was ever gathered
    rows: int = 0  # gathered ever
    sessions: int = 0  # whose windows were seen
    kept: int = 0  # of these, whose windows were kept
    tried_at: datetime | None = None  # the last training
    strangers: int = 0  # rows since then of makes that the model does not know


class ModelWatch:
    """The engine's `Watch`. With `learns` false, it judges with what is installed and gathers nothing."""

    def __init__(self, *, train_after: timedelta, learns: bool = True) -> None:
        self._train_after = train_after
        self._learns = learns
        self._waiting: list[Window] = []
        self._buckets: dict[str, _Bucket] = {}
        self._days: dict[str, _Day] = {}
        self._progress: dict[ModelKey, Progress] = {}
        self._champions: dict[ModelKey, Model] = {}
        self._challengers: dict[ModelKey, Model] = {}
        self._trials: dict[ModelKey, Trial] = {}
        self._drifts: dict[ModelKey, Drift] = {}

    # Judging

    def take_all(self, windows: Sequence[Window], suspects: Sequence[bool]) -> list[ScoredWindow | None]:
        """Judge rows, and keep them to learn from. None where there is no model, or none that knows the make: new
        firmware and new equipment are first learnt. `suspects`: a finding stands on the row's station."""
        rows = [self._with_oddness(window) if window.span is Span.DAY else window for window in windows]
        by_key: dict[ModelKey, list[int]] = {}
        for number, window in enumerate(rows):
            self._gather(window)
            key = ModelKey(window.span, window.kind)
            model = self._champions.get(key)
            if model is None:
                continue
            if model.baseline.knows(window.make):
                by_key.setdefault(key, []).append(number)
            else:
                self._of(key).strangers += 1
        found: list[ScoredWindow | None] = [None] * len(rows)
        for key, numbers in by_key.items():
            mine = [rows[number] for number in numbers]
            for number, scored in zip(
                numbers, self._judge(key, mine, [suspects[n] for n in numbers]), strict=True
            ):
                found[number] = scored
        return found

    def take(self, window: Window, *, suspect: bool) -> ScoredWindow | None:
        """The same for one row."""
        return self.take_all([window], [suspect])[0]

    def _judge(self, key: ModelKey, windows: list[Window], suspects: list[bool]) -> list[ScoredWindow]:
        from detector.models.samples import Samples  # noqa: PLC0415  # a model is there, so NumPy is loaded

        model, samples = self._champions[key], Samples.of(windows)
        judged = model.judge_samples(samples)
        scored = model.word(windows, samples, judged)
        healthy = [number for number, suspect in enumerate(suspects) if not suspect]
        self._drifts[key].add(judged.residuals[healthy])
        challenger = self._challengers.get(key)
        if challenger is not None:
            self._compare(self._trials[key], challenger, samples, scored, suspects)
        if key.span is Span.WINDOW:
            for window, row in zip(windows, scored, strict=True):
                day = self._days.setdefault(window.connector, _Day())
                day.surprise += surprise(row.p_value)
                day.windows += 1
        return scored

    @staticmethod
    def _compare(
        trial: Trial, challenger: Model, samples: Samples, scored: list[ScoredWindow], suspects: list[bool]
    ) -> None:
        p_values = challenger.judge_samples(samples).p_values.tolist()
        for row, p, suspect in zip(scored, p_values, suspects, strict=True):
            seen = Seen(row.p_value, p, row.flagged, p <= challenger.info.flag_below)
            trial.add(seen, suspect=suspect)

    def _with_oddness(self, window: Window) -> Window:
        day = self._days.pop(window.connector, None)
        if day is None:
            return window
        return msgspec.structs.replace(window, values=window.values | {"oddness": day.surprise / day.windows})

    # Gathering

    def _gather(self, window: Window) -> None:
        if not self._learns or not window.values:
            return
        progress = self._of(ModelKey(window.span, window.kind))
        progress.begun = progress.begun or window.start
        if window.span is Span.WINDOW and not self._keeps(window, progress):
            return
        progress.rows += 1
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(window)

    def _keeps(self, window: Window, progress: Progress) -> bool:
        """Whole sessions, as long as the connector's bucket holds out."""
        bucket = self._buckets.get(window.connector)
        if bucket is None:
            bucket = self._buckets[window.connector] = _Bucket(left=_BURST, at=window.start)
        days = max((window.start - bucket.at) / timedelta(days=1), 0.0)
        bucket.left, bucket.at = min(bucket.left + days * WINDOWS_A_DAY, _BURST), window.start
        if bucket.transaction_id != window.transaction_id:
            bucket.transaction_id, bucket.keeps = window.transaction_id, bucket.left >= 1
            progress.sessions += 1
            progress.kept += bucket.keeps
        bucket.left -= bucket.keeps
        return bucket.keeps

    @property
    def waiting(self) -> int:
        """How many rows wait to be stored."""
        return len(self._waiting)

    def take_gathered(self) -> list[Window]:
        """What was gathered since this was last asked."""
        waiting, self._waiting = self._waiting, []
        return waiting

    # Learning

    def due(self, now: datetime) -> Need | None:
        """The training that should begin now."""
        for span in Span:
            for kind in KINDS:
                need = self._need(ModelKey(span, kind), now)
                if need is not None:
                    progress = self._of(need.key)
                    return need._replace(kept=progress.kept / progress.sessions if progress.kept else 1.0)
        return None

    def _need(self, key: ModelKey, now: datetime) -> Need | None:
        progress = self._progress.get(key)
        if progress is None or progress.begun is None or progress.rows < TOO_FEW[key.span]:
            return None
        if progress.tried_at is not None and now - progress.tried_at < EARLY:
            return None
        if key not in self._champions:
            return Need(key, Why.FIRST) if now - progress.begun >= self._train_after else None
        if progress.tried_at is None or now - progress.tried_at >= RETRAIN:
            return Need(key, Why.DAILY)
        if key in self._challengers:
            return None  # one at a time, unless it is a day old
        if progress.strangers >= STRANGERS[key.span]:
            return Need(key, Why.NEW_EQUIPMENT, f"{progress.strangers} rows of equipment it does not know")
        drifted = self.drifted(key)
        return Need(key, Why.DRIFT, drifted) if drifted else None

    def drifted(self, key: ModelKey) -> str:
        """Which features are no longer as they were in training, in words; empty if none."""
        from detector.models.drift import DRIFTED  # noqa: PLC0415  # a model is there, so NumPy is loaded

        index = self._drifts[key].index().tolist()
        names = FEATURES_OF[key.span]
        return ", ".join(
            f"{name}: population stability index {value:.2f}"
            for name, value in zip(names, index, strict=True)
            if value > DRIFTED
        )

    def tried(self, key: ModelKey, now: datetime) -> None:
        """Training began; the next is a day away, also if it fails."""
        progress = self._of(key)
        progress.tried_at, progress.strangers = now, 0

    def install(self, model: Model) -> Outcome:
        """A model that was trained just now: a challenger, or the champion where there is none."""
        key = ModelKey(model.info.span, model.info.kind)
        if key not in self._champions:
            self.reinstate(model)
            return Outcome.FIRST
        self._challengers[key], self._trials[key] = model, Trial()
        return Outcome.UNDECIDED

    def is_newer(self, model: Model) -> bool:
        """Whether a kept model is of use beside the champion."""
        champion = self._champions.get(ModelKey(model.info.span, model.info.kind))
        return champion is None or model.info.trained_at > champion.info.trained_at

    def reinstate(self, model: Model) -> None:
        """The champion, at once: as it was kept."""
        from detector.models.drift import Drift  # noqa: PLC0415  # a model is there, so NumPy is loaded

        key = ModelKey(model.info.span, model.info.kind)
        self._champions[key] = model
        self._drifts[key] = Drift(model.reference, key.span)
        progress = self._of(key)
        progress.tried_at = max(progress.tried_at or model.info.trained_at, model.info.trained_at)

    def settle(self, now: datetime) -> list[Decision]:
        """Challengers that have been seen enough of replace their champions, or are dropped."""
        decisions = []
        for key, challenger in list(self._challengers.items()):
            trial, champion = self._trials[key], self._champions[key]
            outcome = decide(
                trial,
                key.span,
                flag_below=challenger.info.flag_below,
                champion_trained_at=champion.info.trained_at,
                now=now,
            )
            if outcome is Outcome.UNDECIDED:
                continue
            del self._challengers[key], self._trials[key]
            if outcome in PROMOTED:
                self.reinstate(challenger)
            decisions.append(Decision(key, outcome, trial.figures(), challenger))
        return decisions

    def models(self) -> dict[ModelKey, Model]:
        """The models in use."""
        return dict(self._champions)

    def _of(self, key: ModelKey) -> Progress:
        return self._progress.setdefault(key, Progress())

    # Over restarts

    def encode(self) -> bytes:
        """Progress; rows and models are stored apart."""
        return _encoder.encode({key.name: progress for key, progress in self._progress.items()})

    def restore(self, data: bytes) -> None:
        """Take up what was stored. What cannot be read begins anew."""
        if not data:
            return
        try:
            stored = msgspec.msgpack.decode(data, type=dict[str, Progress])
        except msgspec.MsgspecError as error:
            logger.warning("how far learning had come cannot be read, so it begins anew: %s", error)
            return
        self._progress = {key: stored[key.name] for key in all_keys() if key.name in stored}


def all_keys() -> Iterable[ModelKey]:
    return (ModelKey(span, kind) for span in Span for kind in KINDS)


_encoder = msgspec.msgpack.Encoder()
