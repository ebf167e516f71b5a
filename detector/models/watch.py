"""Gathers windows to learn from, says when it is time to learn, and judges with the newest models.

Bounded: at most 400 windows a connector and 20 000 a kind; the oldest go first.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from detector.features import Window
from detector.view import ScoredWindow

if TYPE_CHECKING:
    from detector.models.model import Model

logger = logging.getLogger(__name__)

KINDS = ("AC", "DC")
PER_CONNECTOR = 400
PER_KIND = 20_000
TRAILING = timedelta(days=28)
RETRAIN = timedelta(hours=24)
TOO_FEW = 300
BEFORE_TICKET = timedelta(hours=24)
"""What was gathered this long before a finding is left out: the fault was there before it was found."""

_encoder = msgspec.msgpack.Encoder()


class ModelWatch:
    """The engine's `Watch`."""

    def __init__(self, *, train_after: timedelta) -> None:
        self._train_after = train_after
        self._windows: dict[str, deque[Window]] = {}
        self._models: dict[str, Model] = {}
        self._trained_at: dict[str, datetime] = {}
        self.changed = False  # windows came since they were last stored

    def take(self, window: Window, *, suspect: bool) -> ScoredWindow | None:
        """Judge a window; learn from it later, unless something is wrong with its station."""
        if not suspect:
            self._windows.setdefault(window.connector, deque(maxlen=PER_CONNECTOR)).append(window)
            self.changed = True
        model = self._models.get(window.kind)
        return model.judge(window) if model is not None else None

    def take_all(self, windows: Sequence[Window], suspects: Sequence[bool]) -> list[ScoredWindow | None]:
        """The same for windows of many connectors at once."""
        return [self.take(window, suspect=suspect) for window, suspect in zip(windows, suspects, strict=True)]

    def forget(self, station_id: str, since: datetime) -> None:
        """A finding was raised: what its station did from a day before is not to be learnt as normal."""
        for connector, windows in self._windows.items():
            if connector.rpartition("/")[0] == station_id:
                kept = [window for window in windows if window.start < since - BEFORE_TICKET]
                self._windows[connector] = deque(kept, maxlen=PER_CONNECTOR)
                self.changed = True

    def due(self, now: datetime) -> str | None:
        """The kind whose model should be trained now."""
        for kind in KINDS:
            trained_at = self._trained_at.get(kind)
            if trained_at is not None and now - trained_at < RETRAIN:
                continue
            windows = self.history(kind, now)
            if len(windows) < TOO_FEW:
                continue
            if now - min(window.start for window in windows) >= self._train_after:
                return kind
        return None

    def history(self, kind: str, now: datetime) -> list[Window]:
        """What a model of this kind may learn from, oldest first."""
        found = [
            window
            for windows in self._windows.values()
            for window in windows
            if window.kind == kind and window.start >= now - TRAILING
        ]
        found.sort(key=lambda window: (window.start, window.connector))
        return found[-PER_KIND:]

    def tried(self, kind: str, now: datetime) -> None:
        """Training began; the next is a day away, also if it fails."""
        self._trained_at[kind] = now

    def install(self, model: Model) -> None:
        self._models[model.info.kind] = model
        self._trained_at[model.info.kind] = model.info.trained_at

    def models(self) -> dict[str, Model]:
        """The models in use, by kind."""
        return dict(self._models)

    def encode(self) -> bytes:
        """The gathered windows and when models were trained."""
        self.changed = False
        return _encoder.encode(_Stored(windows=list(self._all()), trained_at=self._trained_at))

    def restore(self, data: bytes) -> None:
        """Take up what was stored. What cannot be read is gathered anew."""
        if not data:
            return
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
        except msgspec.MsgspecError as error:
            logger.warning("the gathered windows cannot be read, so gathering begins anew: %s", error)
            return
        for window in stored.windows:
            self._windows.setdefault(window.connector, deque(maxlen=PER_CONNECTOR)).append(window)
        self._trained_at = dict(stored.trained_at)

    def _all(self) -> Iterable[Window]:
        for windows in self._windows.values():
            yield from windows


class _Stored(msgspec.Struct):
    windows: list[Window]
    trained_at: dict[str, datetime]
