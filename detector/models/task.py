"""What a training process is told, and how: a task, then chunks of rows, each after its length."""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO

import msgspec

from detector.features import Span
from detector.models.history import Exclusion

_LENGTH = 4


class Task(msgspec.Struct):
    """Train a model of one span and kind; `budget` is false tickets per connector-day. `kept`: the share of what
    happened that was kept to learn from."""

    span: Span
    kind: str
    budget: float
    seed: int
    now: datetime
    since: int  # seconds since 1970: older rows are not used
    exclusions: list[Exclusion]
    kept: float = 1.0
    contextual: bool = True


def framed(data: bytes) -> bytes:
    """With its length before it."""
    return len(data).to_bytes(_LENGTH, "big") + data


def read_framed(stream: BinaryIO) -> bytes | None:
    """The next of what was framed; None at the end. Raises EOFError where it breaks off."""
    head = stream.read(_LENGTH)
    if not head:
        return None
    data = stream.read(int.from_bytes(head, "big"))
    if len(head) < _LENGTH or len(data) < int.from_bytes(head, "big"):
        raise EOFError("the task broke off")
    return data
