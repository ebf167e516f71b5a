"""A dashboard for tests: seeded records, a live feed inside the process, and a real server on a real port.

`python -m tests.support.dashboard PORT FOLDER` runs one as a process of its own, for tests that kill it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from dashboard.app import create_app
from dashboard.context import AppContext, Handler
from laddvakt.clock import utc_now
from laddvakt.privacy import FieldCipher
from laddvakt.settings import Settings
from laddvakt.stores.sql.engine import SqlRecords
from tests.support import scene
from tests.support.webapp import FixedCommands, FixedTelemetry, ReadsAgain


class FakeFeed:
    """A live feed inside the process. `say` may be called from any thread."""

    def __init__(self) -> None:
        self.connected = True
        self._handlers: list[tuple[asyncio.AbstractEventLoop, Handler]] = []
        self._reconnected: list[Callable[[], None]] = []

    async def publish(self, kind: str, data: bytes) -> None:
        for _, handler in list(self._handlers):
            handler(kind, data)

    async def subscribe(self, handler: Handler) -> Callable[[], None]:
        item = (asyncio.get_running_loop(), handler)
        self._handlers.append(item)
        return lambda: self._handlers.remove(item)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self._reconnected.append(callback)

    def say(self, kind: str, value: Any) -> None:
        data = msgspec.json.encode(value)
        for loop, handler in list(self._handlers):
            with contextlib.suppress(RuntimeError):  # that server is just being stopped
                loop.call_soon_threadsafe(handler, kind, data)

    def pulse(self, at: datetime | None = None, *, lag_s: float = 0.1) -> None:
        self.say("pulse", {"service": "recorder", "at": (at or utc_now()).isoformat(), "lag_s": lag_s})

    def reconnect(self) -> None:
        for loop, _ in self._handlers[:1]:
            for callback in self._reconnected:
                loop.call_soon_threadsafe(callback)


def open_test_records(url: str = "sqlite://") -> SqlRecords:
    records = SqlRecords(url, FieldCipher("test"), currency="SEK")
    records.migrate()
    return records


@dataclass(kw_only=True)
class Running:
    """A dashboard on a real socket, in a thread of its own. `stop` and `start` may be called again and again."""

    context: AppContext
    port: int = 0
    server: uvicorn.Server | None = None
    thread: threading.Thread | None = None
    app: Any = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def feed(self) -> FakeFeed:
        assert isinstance(self.context.feed, FakeFeed)
        return self.context.feed

    @property
    def commands(self) -> FixedCommands:
        assert isinstance(self.context.commands, FixedCommands)
        return self.context.commands

    def start(self) -> Running:
        self.app = create_app(self.context)
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        ready = threading.Event()

        async def serve() -> None:
            assert self.server is not None
            running = asyncio.create_task(self.server.serve(sockets=[listener]))
            while not self.server.started and not running.done():  # noqa: ASYNC110  uvicorn has no event for it
                await asyncio.sleep(0.01)
            ready.set()
            await running

        self.thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self.thread.start()
        assert ready.wait(20), "the dashboard did not start"
        return self

    def stop(self) -> None:
        if self.server is None or self.thread is None:
            return
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive(), "the dashboard did not stop"
        self.server = self.thread = None


class ShiftedClock:
    """The real time, put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


def make_context(
    folder: Path, *, stations: int = 25, clock: Callable[[], datetime] = utc_now, feed: FakeFeed | None = None
) -> AppContext:
    """A context over records in `folder`, seeded when they are new."""
    path = folder / "records.sqlite"
    fresh = not path.exists()
    records = open_test_records(f"sqlite:///{path}")
    if fresh:
        with records.begin() as work:
            scene.seed(work, now=utc_now(), stations=stations)
    settings = Settings(data_dir=folder, timezone="Europe/Stockholm", currency="SEK")
    return AppContext(
        settings=settings,
        records=records,
        telemetry=FixedTelemetry(),
        feed=feed or FakeFeed(),
        clock=clock,
        commands=FixedCommands(),
        reprocessing=ReadsAgain(records),
    )


def main(port: str, folder: str) -> None:
    """Until killed; pulses once a second, as a recorder does."""
    running = Running(context=make_context(Path(folder)), port=int(port)).start()
    while True:
        running.feed.pulse()
        threading.Event().wait(1)


if __name__ == "__main__":
    main(*sys.argv[1:3])
