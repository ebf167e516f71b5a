"""Ending background tasks for certain: `asyncio.wait_for` before Python 3.12, which libraries use, loses a
cancellation that meets a result (CPython issue 86296)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def cancel_and_wait(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks until they have ended. Once is not enough."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=0.2)


async def or_cancelled(answer: Awaitable[T]) -> T:
    """The answer. Raises CancelledError where a cancellation came with it and was lost."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    found = await answer
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return found
