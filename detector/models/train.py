"""`python -m detector.models.train`: trains one model in a process of its own, so that detection is never delayed
and the memory of training is given back. Task on standard input, the model on standard output."""

from __future__ import annotations

import os
import sys

import msgspec

from detector.models.model import TrainingError, train
from detector.models.task import Task


def main() -> int:
    """Exit status 0 with a model on standard output; 1 with the reason on standard error."""
    os.nice(10)
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task)
    try:
        model = train(task.windows, kind=task.kind, budget=task.budget, seed=task.seed, now=task.now)
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(model.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
