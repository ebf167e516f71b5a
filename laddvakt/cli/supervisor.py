"""Keeps services running on one machine: starts them, restarts those that die, stops them cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from laddvakt.eventlog.server import EmbeddedServer, die_with_parent

logger = logging.getLogger(__name__)

BACK_OFF_S = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY_S = 60.0  # after running this long a service's failures are forgotten
_STOP_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """A child process and how it is started."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]


class Child:
    """One supervised process: `run` restarts it for ever with back-off, until cancelled; then it is stopped."""

    def __init__(self, service: Service, started: Callable[[str, int], None]) -> None:
        self._service = service
        self._started = started
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                begun = loop.time()
                self._process = await asyncio.create_subprocess_exec(
                    *self._service.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    env=self._service.environment,
                    preexec_fn=die_with_parent,
                    start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the rest in order
                )
                self._started(self._service.name, self._process.pid)
                status = await self._process.wait()
                failures = 0 if loop.time() - begun > _STEADY_S else failures + 1
                wait = BACK_OFF_S[min(max(failures - 1, 0), len(BACK_OFF_S) - 1)]
                logger.warning("%s ended (%s); again in %.1f s", self._service.name, _status(status), wait)
                await asyncio.sleep(wait)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            logger.warning("%s does not stop; killed", self._service.name)
            process.kill()
            await process.wait()


def _status(returncode: int) -> str:
    return f"killed by signal {-returncode}" if returncode < 0 else f"status {returncode}"


async def keep_event_log(server: EmbeddedServer, started: Callable[[str, int], None]) -> None:
    """Restarts the embedded event log when it dies, on the same ports and data. `server` is running already."""
    failures = 0
    loop = asyncio.get_running_loop()
    try:
        while True:
            begun = loop.time()
            if server.pid is not None:
                started("eventlog", server.pid)
            status = await server.wait()
            failures = 0 if loop.time() - begun > _STEADY_S else failures + 1
            wait = BACK_OFF_S[min(max(failures - 1, 0), len(BACK_OFF_S) - 1)]
            logger.warning("eventlog ended (%s); again in %.1f s", _status(status), wait)
            await asyncio.sleep(wait)
            await server.start()
    finally:
        await server.stop()


async def stop_in_order(tasks: list[tuple[str, asyncio.Task[None]]]) -> None:
    """Stops the last started first, each to its end."""
    for _, task in reversed(tasks):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
