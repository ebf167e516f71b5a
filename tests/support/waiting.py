"""Waiting for conditions instead of for time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
STEP_S = 0.02


def until(condition: Callable[[], T], *, deadline_s: float = 10, what: str = "the condition") -> T:
    """The first true value of `condition()`. Raises TimeoutError naming `what`."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {deadline_s} s in vain for {what}")
        pause.wait(STEP_S)


async def eventually(
    condition: Callable[[], T | Awaitable[T]], *, deadline_s: float = 10, what: str = "the condition"
) -> T:
    """`until` for the event loop; `condition` may be a coroutine function."""
    end = time.monotonic() + deadline_s
    while True:
        answer = condition()
        value: T = await answer if isinstance(answer, Awaitable) else answer
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {deadline_s} s in vain for {what}")
        await asyncio.sleep(STEP_S)
