"""`python -m detector.models.train`: trains one model in a process of its own, so that detection is never delayed
and the memory of training is given back. Task and rows on standard input, the model on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
import numpy as np

from detector.models.chunk import Chunk
from detector.models.model import Model, TrainingError, train
from detector.models.samples import Samples, joined
from detector.models.task import Task, read_framed


def train_task(task: Task, data: Iterable[bytes]) -> Model:
    """From chunks as they were kept, the oldest first. Raises TrainingError."""
    parts = [part for chunk in data if (part := _wanted(task, chunk)) is not None]
    if not parts:
        raise TrainingError(f"there are no {task.kind} rows ({task.span}) to learn from.")
    return train(
        joined(parts), budget=task.budget, seed=task.seed, now=task.now, contextual=task.contextual, kept=task.kept
    )


def _wanted(task: Task, data: bytes) -> Samples | None:
    """What the task may learn of a chunk; None for nothing."""
    chunk = Chunk.decode(data)
    if (chunk.span, chunk.kind) != (task.span, task.kind):
        return None
    samples = Samples.read(chunk)
    wanted = samples.at >= task.since
    for excluded in task.exclusions:
        if not excluded.concerns(task.span):
            continue
        own = [n for n, thing in enumerate(samples.things) if thing.station_id == excluded.station_id]
        if own:
            then = (samples.at >= excluded.since) & (samples.at <= excluded.until)
            wanted &= ~(np.isin(samples.thing, own) & then)
    return samples.where(wanted) if wanted.any() else None


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while (data := read_framed(stream)) is not None:
        yield data


def main() -> int:
    """Exit status 0 with a model on standard output; 1 with the reason on standard error."""
    os.nice(10)
    data = _chunks(sys.stdin.buffer)
    task = msgspec.msgpack.decode(next(data), type=Task)
    try:
        model = train_task(task, data)
    except (TrainingError, ValueError, EOFError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(model.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
