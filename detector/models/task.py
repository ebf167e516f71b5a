"""What a training process is told."""

from __future__ import annotations

from datetime import datetime

import msgspec

from detector.features import Window


class Task(msgspec.Struct):
    """Train a model of one kind; `budget` is false tickets per connector-day."""

    kind: str
    budget: float
    seed: int
    now: datetime
    windows: list[Window]
