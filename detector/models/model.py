"""One model: baseline, forest and calibration of AC or DC windows. Trained, kept as bytes, asked for a judgement.

Kept as a NumPy archive of plain arrays, and JSON for the tables: reading one can never run code, as a pickle
could, and needs no scikit-learn. That is also why the forest is kept and not its training windows: a start needs
no training, and the model stays the one that was calibrated.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.features import FEATURES, Window
from detector.models.baseline import CLIP, NAMES, Baseline
from detector.models.calibration import Calibration, both, flag_below
from detector.models.forest import Forest
from detector.view import Cause, ScoredWindow
from laddvakt.domain.errors import LaddvaktError

VERSION = 1
MIN_WINDOWS = 300
HELD_OUT = 0.3
FRAME = 1.0
"""Training rows repeated with one residual anywhere in its range, as a share. Without them no tree splits beyond
what healthy windows reach, and a residual of 8 would score like one of 3."""
_CAUSES = 3


class TrainingError(LaddvaktError):
    """There is too little to learn from."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model."""

    kind: str
    windows: int
    held_out: int
    windows_per_connector_day: float
    sessions_per_connector_day: float
    flag_below: float
    seed: int
    trained_at: datetime
    version: int = VERSION


class Model:
    """Judges windows of one kind. `total` calibrates the forest's score, `top` its largest share."""

    def __init__(
        self, info: ModelInfo, baseline: Baseline, forest: Forest, total: Calibration, top: Calibration
    ) -> None:
        self.info = info
        self.baseline = baseline
        self.forest = forest
        self.total = total
        self.top = top

    def judge(self, window: Window) -> ScoredWindow:
        """p-value and, where the window is flagged, the features that made it so."""
        rows = np.array([self.baseline.row(window)])
        totals, shares = _scores(self.forest, rows)
        p_value = both(self.total.p_value(float(totals[0])), self.top.p_value(float(shares[0].max())))
        flagged = p_value <= self.info.flag_below
        return ScoredWindow(
            start=window.start,
            transaction_id=window.transaction_id,
            vehicle=window.vehicle,
            p_value=p_value,
            flagged=flagged,
            causes=self._causes(window, shares[0]) if flagged else (),
        )

    def p_values(self, windows: Sequence[Window]) -> list[float]:
        """Of many windows at once."""
        totals, shares = _scores(self.forest, np.array(self.baseline.rows(windows)))
        return _p_values(self.total, self.top, totals, shares)

    def _causes(self, window: Window, shares: NDArray[np.float64]) -> tuple[Cause, ...]:
        whole = float(np.abs(shares).sum()) or 1.0
        found = []
        for share, name in sorted(zip(shares.tolist(), NAMES, strict=True), reverse=True)[:_CAUSES]:
            normal = self.baseline.normal(window, name)
            z = self.baseline.residual(window, name)
            if share <= 0 or normal is None or z is None:
                continue
            found.append(
                Cause(
                    feature=name,
                    z=z,
                    value=window.values[name],
                    normal=normal.middle,
                    share=share / whole,
                    current_a=window.current_a,
                )
            )
        return tuple(found)

    def encode(self) -> bytes:
        tables = {"info": msgspec.to_builtins(self.info), "baseline": self.baseline.builtins()}
        arrays: dict[str, Any] = {name: getattr(self.forest, name) for name in Forest.ARRAYS}
        arrays["shape"] = np.array([self.forest.depth, self.forest.samples])
        arrays["total"], arrays["top"] = self.total.scores, self.top.scores
        arrays["tables"] = np.frombuffer(msgspec.json.encode(tables), np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Model:
        """Raises ValueError for what is not such an archive, or of another version."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                tables = msgspec.json.decode(archive["tables"].tobytes(), type=_Tables)
                depth, samples = (int(number) for number in archive["shape"])
                forest = Forest(**{name: archive[name] for name in Forest.ARRAYS}, depth=depth, samples=samples)
                total, top = Calibration(archive["total"]), Calibration(archive["top"])
        except Exception as error:  # zip, NumPy and JSON each have their own way to say "damaged"
            raise ValueError(f"this is no model: {error}") from error
        if tables.info.version != VERSION:
            raise ValueError(f"a model of version {tables.info.version}, not {VERSION}")
        return cls(tables.info, tables.baseline, forest, total, top)


class _Tables(msgspec.Struct):
    info: ModelInfo
    baseline: Baseline


def train(windows: Sequence[Window], *, kind: str, budget: float, now: datetime, seed: int = 7) -> Model:
    """A model of the windows of one kind. The same windows and seed give the same model. Raises TrainingError.

    Whole sessions are held out for calibration: neighbouring windows resemble each other too much to be apart.
    """
    mine = [window for window in windows if window.kind == kind and window.values]
    if len(mine) < MIN_WINDOWS:
        raise TrainingError(f"{len(mine)} {kind} windows are too few to learn from; {MIN_WINDOWS} are needed.")
    held_out = [window for window in mine if _is_held_out(window, seed)]
    seen = [window for window in mine if not _is_held_out(window, seed)]
    if not held_out or len(seen) < MIN_WINDOWS // 2:
        raise TrainingError(f"{kind} windows come from too few sessions to learn from.")
    baseline = Baseline.fit(seen)
    forest = Forest.fit(_framed(np.array(baseline.rows(seen)), seed), seed=seed)
    totals, shares = _scores(forest, np.array(baseline.rows(held_out)))
    total, top = Calibration(totals), Calibration(shares.max(axis=1))
    sessions: dict[tuple[str, str], list[float]] = defaultdict(list)
    for window, p_value in zip(held_out, _p_values(total, top, totals, shares), strict=True):
        sessions[window.connector, window.transaction_id].append(p_value)
    days = _connector_days(mine)
    windows_per_day = len(mine) / days
    sessions_per_day = len({(window.connector, window.transaction_id) for window in mine}) / days
    info = ModelInfo(
        kind=kind,
        windows=len(mine),
        held_out=len(held_out),
        windows_per_connector_day=windows_per_day,
        sessions_per_connector_day=sessions_per_day,
        flag_below=flag_below(
            sessions.values(),
            budget=budget,
            sessions_per_day=sessions_per_day,
            windows_per_day=windows_per_day,
        ),
        seed=seed,
        trained_at=now,
    )
    return Model(info, baseline, forest, total, top)


def _scores(forest: Forest, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The forest's score of each row, and each feature's share in it, its mask column included."""
    columns = forest.explain(rows)
    return forest.score(rows), columns[:, : len(NAMES)] + columns[:, len(NAMES) :]


def _p_values(
    total: Calibration, top: Calibration, totals: NDArray[np.float64], shares: NDArray[np.float64]
) -> list[float]:
    pairs = zip(totals.tolist(), shares.max(axis=1).tolist(), strict=True)
    return [both(total.p_value(score), top.p_value(share)) for score, share in pairs]


def _is_held_out(window: Window, seed: int) -> bool:
    text = f"{seed}|{window.connector}|{window.transaction_id}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") < HELD_OUT * 2**32


def _framed(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    frame = rows[random.integers(0, len(rows), math.ceil(FRAME * len(rows)))].copy()
    columns = random.integers(0, len(FEATURES), len(frame))
    frame[np.arange(len(frame)), columns] = random.uniform(-CLIP, CLIP, len(frame))
    return np.concatenate([rows, frame])


def _connector_days(windows: Sequence[Window]) -> float:
    connectors = {window.connector for window in windows}
    first, last = min(window.start for window in windows), max(window.start for window in windows)
    return len(connectors) * max((last - first) / timedelta(days=1), 1.0)
