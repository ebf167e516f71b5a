"""One model: baseline, forest and calibration of one span and kind. Trained, kept as bytes, asked for judgements.

Kept as a NumPy archive of plain arrays, and JSON for the tables: reading one can never run code, as a pickle
could, and needs no scikit-learn. That is also why the forest is kept and not its training rows: a start needs
no training, and the model stays the one that was calibrated.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.features import FEATURES_OF, Span, Window
from detector.models.baseline import Baseline, Cells, Normal, reach, rows_of
from detector.models.calibration import Calibration, flag_below
from detector.models.chunk import Thing
from detector.models.drift import Reference
from detector.models.forest import Forest
from detector.models.leaning import Leaning
from detector.models.samples import Floats, Samples
from detector.models.scores import Scores
from detector.models.tails import Tails
from detector.models.wording import WORTH_WORDS, Judged, Usual, Worded
from detector.view import ScoredWindow
from laddvakt.domain.errors import LaddvaktError

VERSION = 9
MIN_ROWS = {Span.WINDOW: 300, Span.SESSION: 100, Span.DAY: 50}
"""A day's rows come one a day: with a hundred, a week of eight connectors would not do."""
HELD_OUT = 0.3
FEW_ROWS = 20_000
THIRDS = 3
"""Of more rows than these a share is held out for calibration; of fewer each third in turn."""
FRAME = 1.0
"""Training rows repeated with one residual anywhere in its range, as a share. Without them no tree splits beyond
what healthy rows reach, and a residual of 8 would score like one of 3."""
MOST_ROWS = 2_000_000
PER_CONNECTOR = 400
LEAST_PER_CONNECTOR = 40
"""Rows that one training uses: at most 400 of a connector, and fewer where that would be over 2 million of all."""
_FOREST_ROWS = 150_000


class TrainingError(LaddvaktError):
    """There is too little to learn from."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model. `since`, `until`: what it was trained on."""

    span: Span
    kind: str
    rows: int
    held_out: int
    connectors: int
    rows_per_connector_day: float
    sessions_per_connector_day: float
    flag_below: float
    since: datetime
    until: datetime
    seed: int
    trained_at: datetime
    contextual: bool = True
    version: int = VERSION


class Algorithm(Protocol):
    """Finds what is unlike the rest. What is not an isolation forest plugs in here."""

    def shares(self, rows: Floats) -> Floats:
        """What each feature adds to each row's score (rows x features); higher is more anomalous."""
        ...


class Fit(Protocol):
    """Learns from rows of residuals, followed by their mask of missing ones (rows x 2 features)."""

    def __call__(self, rows: Floats, *, features: int, seed: int) -> Algorithm: ...


class Model:
    """Judges rows of one span and kind. `leaning` says what adds up over sessions."""

    def __init__(
        self,
        info: ModelInfo,
        baseline: Baseline,
        forest: Algorithm,
        *,
        scores: Scores,
        leaning: Leaning,
        reference: Reference,
    ) -> None:
        self.info = info
        self.baseline = baseline
        self.forest = forest
        self.scores = scores
        self.leaning = leaning
        self.reference = reference

    def score(self, windows: Sequence[Window]) -> NDArray[np.float64]:
        """p-values of rows of its span and kind, whole fleets at once."""
        return self.judge_samples(Samples.of(windows)).p_values if windows else np.zeros(0)

    def judge_samples(self, samples: Samples) -> Judged:
        residuals = self.baseline.residuals(samples)
        shares = contrast(self.forest, residuals)
        return Judged(self.scores.p_values(shares, residuals), shares, residuals)

    def judge(self, windows: Sequence[Window]) -> list[ScoredWindow]:
        """p-value and, where a row is flagged, the features that made it so."""
        if not windows:
            return []
        samples = Samples.of(windows)
        return self.word(windows, samples, self.judge_samples(samples))

    def word(self, windows: Sequence[Window], samples: Samples, judged: Judged) -> list[ScoredWindow]:
        """The same of rows that were judged."""
        flagged = judged.p_values <= self.info.flag_below
        evidence = self._evidence(judged)
        worth = flagged if evidence is None else flagged | (np.abs(evidence) >= WORTH_WORDS).any(axis=1)
        usual = self._usual(samples, np.flatnonzero(worth)) if worth.any() else {}
        found = []
        for number, window in enumerate(windows):
            worded = Worded(window, judged, number, usual.get(number))
            found.append(
                ScoredWindow(
                    start=window.start,
                    transaction_id=window.transaction_id,
                    vehicle=window.vehicle,
                    p_value=float(judged.p_values[number]),
                    flagged=bool(flagged[number]),
                    causes=worded.causes() if flagged[number] else (),
                    leans=worded.leans(evidence[number]) if evidence is not None else (),
                    span=window.span,
                )
            )
        return found

    def _evidence(self, judged: Judged) -> Floats | None:
        """What adds up from session to session; windows of one session are too much alike to add."""
        if self.info.span is Span.WINDOW:
            return None
        return self.leaning.evidence(judged.shares, judged.residuals)

    def _usual(self, samples: Samples, at: NDArray[Any]) -> dict[int, Usual]:
        """What is normal for some of the rows, by their number."""
        some = samples.where(at)
        own, peers = self.baseline.normal(some), self.baseline.peers(some)
        return {
            number: Usual(own.middle[line], peers.middle[line], peers.spread[line])
            for line, number in enumerate(at.tolist())
        }

    def encode(self) -> bytes:
        """Only of models whose algorithm is a Forest, with tails."""
        baseline, scores = self.baseline, self.scores
        if not isinstance(self.forest, Forest) or scores.tails is None:
            raise TypeError("only forests with tails are kept")
        tables = _Tables(info=self.info, makes=baseline.makes, things=baseline.things)
        arrays: dict[str, Any] = {name: getattr(self.forest, name) for name in Forest.ARRAYS}
        for number, level in enumerate(baseline.levels):
            arrays |= {f"level{number}_{name}": column for name, column in level._asdict().items()}
        arrays |= {f"habit_{name}": column for name, column in baseline.habits._asdict().items()}
        arrays |= {f"reference_{name}": column for name, column in self.reference._asdict().items()}
        arrays["total"], arrays["top"], arrays["far"] = (one.scores for one in scores[:3])
        arrays["tails"] = scores.tails.reach
        arrays["leaning"] = self.leaning.shares
        arrays["tables"] = np.frombuffer(msgspec.json.encode(tables), np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Model:
        """Raises ValueError for what is not such an archive, or of another version."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
                tables = msgspec.json.decode(arrays.pop("tables").tobytes(), type=_Tables)
        except Exception as error:  # zip, NumPy and JSON each have their own way to say "damaged"
            raise ValueError(f"this is no model: {error}") from error
        if tables.info.version != VERSION:
            raise ValueError(f"a model of version {tables.info.version}, not {VERSION}")
        try:
            return cls._of(tables, arrays)
        except (LookupError, ValueError) as error:
            raise ValueError(f"this is no whole model: {error}") from error

    @classmethod
    def _of(cls, tables: _Tables, arrays: dict[str, Any]) -> Model:
        def part(prefix: str, kind: Any) -> Any:
            return kind(**{name: arrays[f"{prefix}_{name}"] for name in kind._fields})

        features = FEATURES_OF[tables.info.span]
        levels = sorted({name.partition("_")[0] for name in arrays if name.startswith("level")})
        baseline = Baseline(
            makes=tables.makes,
            things=tables.things,
            levels=tuple(part(name, Cells) for name in levels),
            habits=part("habit", Normal),
            resolution=np.array([row.resolution for row in features.values()], np.float32),
        )
        return cls(
            tables.info,
            baseline,
            Forest(**{name: arrays[name] for name in Forest.ARRAYS}, features=len(features)),
            scores=Scores(
                total=Calibration(arrays["total"]),
                top=Calibration(arrays["top"]),
                far=Calibration(arrays["far"]),
                tails=Tails(arrays["tails"]),
            ),
            leaning=Leaning(arrays["leaning"]),
            reference=part("reference", Reference),
        )


class _Tables(msgspec.Struct):
    info: ModelInfo
    makes: tuple[str, ...]
    things: tuple[Thing, ...]


def train(
    samples: Samples,
    *,
    budget: float,
    now: datetime,
    seed: int = 7,
    contextual: bool = True,
    fit: Fit = Forest.fit,
    kept: float = 1.0,
    with_tails: bool = True,
) -> Model:
    """A model of rows of one span and kind. The same rows and seed give the same model. Raises TrainingError.

    Whole sessions are held out for calibration: neighbouring windows resemble each other too much to be apart.
    Where rows are few, all of them are, in turn, each from a forest that has not seen them; the model that is kept
    then learns from all.
    `kept`: the share of what happened that the rows are of. `with_tails` false: the forest alone scores.
    """
    samples = samples.where(np.asarray(np.isfinite(samples.values).any(axis=1)))
    per_day, sessions = (rate / kept for rate in _rates(samples))
    samples = thinned(samples, most=MOST_ROWS)
    apart = _parts(samples, seed)
    least = MIN_ROWS[samples.span]
    if len(samples) < least or any(not least // 2 <= (~part).sum() < len(samples) for part in apart):
        raise TrainingError(
            f"{len(samples)} {samples.kind} rows ({samples.span}) are too few to learn from; {least} are needed, "
            "of several sessions."
        )
    learn = partial(_learn, contextual=contextual, fit=fit, seed=seed)
    found = [learn(samples.where(~part)) for part in apart]
    held_out = [samples.where(part) for part in apart]
    unseen = np.concatenate([one.baseline.residuals(part) for one, part in zip(found, held_out, strict=True)])
    ends = np.cumsum([len(part) for part in held_out])
    shares = np.concatenate(
        [contrast(one.forest, part) for one, part in zip(found, np.split(unseen, ends[:-1]), strict=True)]
    )
    scores = Scores.of(shares, unseen, with_tails=with_tails)
    baseline, forest, residuals = learn(samples) if len(found) > 1 else found[0]
    p_values = scores.p_values(shares, unseen)
    groups = zip(held_out, np.split(p_values, ends[:-1]), strict=True)
    threshold = flag_below(
        samples.span,
        [group for part, own in groups for group in _groups(part, own)],
        budget=budget,
        rows_per_day=per_day,
        sessions_per_day=sessions,
    )
    info = ModelInfo(
        span=samples.span,
        kind=samples.kind,
        rows=len(samples),
        held_out=len(shares),
        connectors=len({(thing.station_id, thing.connector_id) for thing in samples.things}),
        rows_per_connector_day=per_day,
        sessions_per_connector_day=sessions,
        flag_below=threshold,
        since=datetime.fromtimestamp(int(samples.at.min()), UTC),
        until=datetime.fromtimestamp(int(samples.at.max()), UTC),
        seed=seed,
        trained_at=now,
        contextual=contextual,
    )
    return Model(
        info,
        baseline,
        forest,
        scores=scores,
        leaning=Leaning.of(shares, np.concatenate([part.values for part in held_out])),
        reference=Reference.of(residuals),
    )


class _Learnt(NamedTuple):
    """What was learnt, and (some of) the residuals that it was learnt from."""

    baseline: Baseline
    forest: Algorithm
    residuals: Floats


def _learn(samples: Samples, *, contextual: bool, fit: Fit, seed: int) -> _Learnt:
    baseline = Baseline.fit(samples, contextual=contextual)
    features = samples.values.shape[1]
    random = np.random.default_rng(seed)
    some = random.permutation(len(samples))[:_FOREST_ROWS]
    residuals = baseline.residuals(samples.where(np.sort(some)))
    forest = fit(_framed(rows_of(residuals), samples.span, random), features=features, seed=seed)
    return _Learnt(baseline, forest, residuals)


def contrast(forest: Algorithm, residuals: Floats) -> Floats:
    """What each feature adds to each row's score, over a row that lacks the same features and is normal in all
    others: what few stations measure is rare, and no reason to look at those few."""
    masks, which = np.unique(np.isnan(residuals), axis=0, return_inverse=True)
    usual = forest.shares(rows_of(np.where(masks, np.float32(np.nan), np.float32(0))))
    return np.asarray(forest.shares(rows_of(residuals)) - usual[which.ravel()], np.float32)


def thinned(samples: Samples, *, most: int) -> Samples:
    """At most 400 rows of a connector, whole sessions where that can be, and about `most` of all."""
    connectors = int(samples.thing.max(initial=0)) + 1
    share = max(LEAST_PER_CONNECTOR, min(PER_CONNECTOR, most // connectors))
    counts = np.bincount(samples.thing, minlength=connectors)
    if not len(samples) or counts.max() <= share:
        return samples
    order = np.lexsort((samples.at, samples.group, samples.thing))  # a group's number is a hash: any order will do
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(samples)) - starts[samples.thing[order]]
    return samples.where(np.sort(order[rank < share]))


def _rates(samples: Samples) -> tuple[float, float]:
    """Rows and sessions per connector-day."""
    if not len(samples):
        return 0.0, 0.0
    connectors = len({(samples.things[n].station_id, samples.things[n].connector_id) for n in set(samples.thing)})
    days = connectors * max((int(samples.at.max()) - int(samples.at.min())) / 86_400, 1.0)
    return len(samples) / days, len(np.unique(samples.group)) / days


def _parts(samples: Samples, seed: int) -> list[NDArray[np.bool_]]:
    """What is held out, in turn: where rows are few each third, so that all of them calibrate (cross-conformal:
    Vovk, 2015); else one part."""
    mixed = ((samples.group + seed) * 2654435761) % 2**32  # Knuth's multiplicative hash: the seed chooses anew
    if len(samples) > FEW_ROWS:
        return [np.asarray(mixed < HELD_OUT * 2**32)]
    return [np.asarray(mixed * THIRDS >> 32 == part) for part in range(THIRDS)]


def _groups(samples: Samples, p_values: NDArray[np.float64]) -> list[list[float]]:
    """The p-values of each group in the order of time."""
    order = np.lexsort((samples.at, samples.group))
    _, starts = np.unique(samples.group[order], return_index=True)
    return [part.tolist() for part in np.split(p_values[order], starts[1:])]


def _framed(rows: Floats, span: Span, random: np.random.Generator) -> Floats:
    """With a frame of made-up rows; of features that nothing here measures there are none to be told apart."""
    low, high = reach(span)
    features = len(low)
    measured = np.flatnonzero((rows[:, features:] == 0).any(axis=0))
    frame = rows[random.integers(0, len(rows), math.ceil(FRAME * len(rows)))].copy()
    columns = random.choice(measured, len(frame))
    frame[np.arange(len(frame)), columns] = random.uniform(low[columns], high[columns])
    frame[np.arange(len(frame)), columns + features] = 0
    return np.concatenate([rows, frame])
