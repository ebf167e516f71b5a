"""Keeps services running on one machine: starts them, restarts those that die, stops them cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog.server import EmbeddedServer, die_with_parent

logger = logging.getLogger(__name__)

BACK_OFF_S = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY_S = 10.0  # after running this long a service's failures are forgotten: it does not fail at its start


@dataclass(frozen=True, kw_only=True)
class Service:
    """A child process and how it is started."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    stop_s: float = 10.0  # it may take this long to stop


class _Pauses:
    """Growing pauses between a service's end and its next start; forgotten after a steady run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._begun = 0.0

    def begin(self) -> None:
        """It is being started."""
        self._begun = asyncio.get_running_loop().time()

    async def rest(self, why: str) -> None:
        """It is no more; waits before the next start."""
        steady = asyncio.get_running_loop().time() - self._begun > _STEADY_S
        self._failures = 0 if steady else self._failures + 1
        wait = BACK_OFF_S[min(max(self._failures - 1, 0), len(BACK_OFF_S) - 1)]
        logger.warning("%s %s; again in %.1f s", self._name, why, wait)
        await asyncio.sleep(wait)


class Child:
    """One supervised process: `run` restarts it for ever with back-off, until cancelled; then it is stopped."""

    def __init__(self, service: Service, started: Callable[[str, int], None]) -> None:
        self._service = service
        self._started = started
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        pauses = _Pauses(self._service.name)
        try:
            while True:
                pauses.begin()
                await pauses.rest(await self._once())
        finally:
            await self._stop()

    async def _once(self) -> str:
        """One run of the program. Returns how it ended."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._service.argv,
                stdin=asyncio.subprocess.DEVNULL,
                env=self._service.environment,
                preexec_fn=die_with_parent,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the rest in order
            )
        except OSError as error:  # no memory, no processes left, or the program is being replaced
            return f"cannot be started ({error.strerror})"
        self._started(self._service.name, self._process.pid)
        return _ended(await self._process.wait())

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self._service.stop_s)
        except TimeoutError:
            logger.warning("%s does not stop; killed", self._service.name)
            process.kill()
            await process.wait()


async def keep_together(children: Iterable[Child]) -> None:
    """Several children at once, stopped at once."""
    async with asyncio.TaskGroup() as group:
        for child in children:
            group.create_task(child.run())


def _ended(returncode: int) -> str:
    return f"ended ({f'killed by signal {-returncode}' if returncode < 0 else f'status {returncode}'})"


async def keep_event_log(server: EmbeddedServer, started: Callable[[str, int], None]) -> None:
    """Restarts the embedded event log when it dies, on the same ports and data. `server` is running already."""
    pauses = _Pauses("eventlog")
    pauses.begin()
    try:
        while True:
            if server.pid is not None:
                started("eventlog", server.pid)
            await pauses.rest(_ended(await server.wait()))
            await _start_again(server, pauses)
    finally:
        await server.stop()


async def _start_again(server: EmbeddedServer, pauses: _Pauses) -> None:
    while True:
        pauses.begin()
        try:
            return await server.start()
        except (EventLogError, OSError) as error:
            await pauses.rest(f"did not start ({error})")


async def stop_in_order(tasks: list[tuple[str, asyncio.Task[None]]]) -> None:
    """Stops the last started first, each to its end, also where one of them has failed."""
    for _, task in reversed(tasks):
        task.cancel()
        await asyncio.wait([task])
