"""Training in a process of its own: detection is never delayed, and the memory of training is given back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from detector.features import Window
from detector.models.task import Task

if TYPE_CHECKING:
    from detector.models.model import Model

logger = logging.getLogger(__name__)

SEED = 7
TIMEOUT_S = 900.0


async def train_apart(windows: Sequence[Window], *, kind: str, budget: float, now: datetime) -> bytes | None:
    """The encoded model, or None when there is too little to learn from or training failed; the log says why."""
    task = msgspec.msgpack.encode(Task(kind=kind, budget=budget, seed=SEED, now=now, windows=list(windows)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "detector.models.train",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        model, said = await asyncio.wait_for(process.communicate(task), TIMEOUT_S)
    except TimeoutError:
        logger.error("training of the %s model took over %.0f s and was stopped", kind, TIMEOUT_S)
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        logger.warning("the %s model was not trained: %s", kind, said.decode(errors="replace").strip()[-500:])
        return None
    return model


def train_here(windows: Sequence[Window], *, kind: str, budget: float, now: datetime) -> Model | None:
    """The same in this process, for replay: virtual time waits for it."""
    from detector.models.model import TrainingError, train  # noqa: PLC0415  # NumPy only when it is needed

    try:
        return train(windows, kind=kind, budget=budget, now=now, seed=SEED)
    except TrainingError as error:
        logger.warning("the %s model was not trained: %s", kind, error)
        return None


def read_model(data: bytes) -> Model | None:
    """A kept model; None when it cannot be read: it is then trained anew."""
    from detector.models.model import Model  # noqa: PLC0415  # NumPy only when it is needed

    try:
        return Model.decode(data)
    except ValueError as error:
        logger.warning("a kept model is not used: %s", error)
        return None
