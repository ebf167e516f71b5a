"""Training in a process of its own: detection is never delayed, and the memory of training is given back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from detector.models.history import exclusions
from detector.models.task import Task, framed
from detector.models.watch import TRAILING, Need
from laddvakt.domain.tickets import Ticket

if TYPE_CHECKING:
    from detector.models.model import Model

logger = logging.getLogger(__name__)

SEED = 7
TIMEOUT_S = 900.0


def task_for(need: Need, tickets: Iterable[Ticket], *, budget: float, now: datetime) -> Task:
    """What is to be learnt: the last 28 days, but for what tickets say was broken."""
    return Task(
        span=need.key.span,
        kind=need.key.kind,
        budget=budget,
        seed=SEED,
        now=now,
        since=int((now - TRAILING).timestamp()),
        exclusions=exclusions(tickets, now),
        kept=need.kept,
    )


async def train_apart(task: Task, data: AsyncIterator[bytes]) -> bytes | None:
    """The encoded model, or None when there is too little to learn from or training failed; the log says why.
    `data`: chunks of rows, the oldest first."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "detector.models.train",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            if process.stdin is not None:
                await _tell(process.stdin, task, data)
            model, said = await process.communicate()
    except TimeoutError:
        logger.error(
            "training of the %s %s model took over %.0f s and was stopped", task.kind, task.span, TIMEOUT_S
        )
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        words = said.decode(errors="replace").strip()[-500:]
        logger.warning("the %s %s model was not trained: %s", task.kind, task.span, words)
        return None
    return model


async def _tell(stdin: asyncio.StreamWriter, task: Task, data: AsyncIterator[bytes]) -> None:
    """One chunk at a time: what is being learnt never stands in our memory as a whole."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it ended early, and says why
        stdin.write(framed(msgspec.msgpack.encode(task)))
        async for chunk in data:
            stdin.write(framed(chunk))
            await stdin.drain()
    stdin.close()


def train_here(task: Task, data: Iterable[bytes]) -> Model | None:
    """The same in this process, for replay: virtual time waits for it."""
    from detector.models.model import TrainingError  # noqa: PLC0415  # NumPy only when it is needed
    from detector.models.train import train_task  # noqa: PLC0415

    try:
        return train_task(task, data)
    except TrainingError as error:
        logger.warning("the %s %s model was not trained: %s", task.kind, task.span, error)
        return None


def read_model(data: bytes) -> Model | None:
    """A kept model; None when it cannot be read: it is then trained anew."""
    from detector.models.model import Model  # noqa: PLC0415  # NumPy only when it is needed

    try:
        return Model.decode(data)
    except ValueError as error:
        logger.warning("a kept model is not used: %s", error)
        return None
