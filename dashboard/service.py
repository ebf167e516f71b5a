"""The dashboard as a service: stores, live feed and web server, wired and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from dashboard.app import create_app
from dashboard.context import AppContext, Feed
from dashboard.latefeed import LateCommands, LateFeed, LateReprocessing
from laddvakt.clock import utc_now
from laddvakt.domain.errors import LaddvaktError, SettingsError, StoreUnavailableError
from laddvakt.domain.times import rfc3339
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import Settings, split_address
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from laddvakt.stores.telemetry import open_telemetry

logger = logging.getLogger(__name__)

_GRACE_S = 3
"""How long open requests and websockets may take to finish when the service stops."""

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  looked for, not listened on


async def run(settings: Settings) -> None:
    """Runs until cancelled, then stops gracefully. Raises SettingsError when it cannot listen."""
    await DashboardService(settings).run()


class DashboardService:
    """One dashboard process. `url` is its address once `started` is set."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.started = asyncio.Event()
        self.url = ""
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        listening = listen(self.settings.web.listen)
        feed, commands, reprocessing = LateFeed(), LateCommands(), LateReprocessing()
        records = open_records(self.settings)
        telemetry = open_telemetry(self.settings)
        logs: list[EventLog] = []

        async def connect() -> Feed:
            log = await EventLog.connect(self.settings, name="dashboard")
            logs.append(log)
            commands.way = log.commands
            reprocessing.way = log.reprocessing
            return log.feed

        context = AppContext(
            settings=self.settings,
            records=records,
            telemetry=telemetry,
            feed=feed,
            clock=self._clock,
            commands=commands,
            reprocessing=reprocessing,
        )
        connecting = asyncio.create_task(feed.keep_connecting(connect))
        try:
            await asyncio.to_thread(_migrate, records)
            await self._serve(create_app(context), listening)
        finally:
            listening.close()
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            for log in logs:
                await log.close()
            await asyncio.to_thread(telemetry.close)
            await asyncio.to_thread(records.close)

    async def _serve(self, app: FastAPI, listening: socket.socket) -> None:
        server = _Server(_config(app), self._up)
        self.url = url_of(listening)
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
        finally:
            _file_of(self.settings).unlink(missing_ok=True)
        raise LaddvaktError("the web server ended by itself.", mend="The reason is in the log above.")

    def _up(self) -> None:
        about = {"url": self.url, "pid": os.getpid(), "started_at": rfc3339(self._clock())}
        path = _file_of(self.settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(about), "utf-8")
        fresh.replace(path)  # whoever reads it sees all of it or nothing
        logger.info("pages and API at %s", self.url)
        self.started.set()


class _Server(uvicorn.Server):
    """uvicorn, but signals are the caller's, and `up` is called once it answers."""

    def __init__(self, config: uvicorn.Config, up: Callable[[], None]) -> None:
        super().__init__(config)
        self._up = up

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:  # uvicorn's way to say that the application's own start failed
            raise LaddvaktError("the pages could not start.", mend="The reason is in the log above.") from error
        self._up()


def _migrate(records: Records) -> None:
    try:
        records.migrate()
    except StoreUnavailableError as error:  # it says so at /readyz, and works once they are there
        logger.warning("the records are not reachable yet: %s", error)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",  # the caller's loop runs already
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=1024 * 1024,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )


def listen(address: str) -> socket.socket:
    """A listening socket on `host:port` (0: a free one). Raises SettingsError naming the port and the mend."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {address} (web.listen): {error.strerror or error}.",
            mend=f"Stop what uses port {port}, or set web.listen to another address.",
        ) from error
    listening.setblocking(False)
    return listening


def url_of(listening: socket.socket) -> str:
    """How this machine reaches a listening socket."""
    host, port = listening.getsockname()[:2]
    host = _WILDCARDS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _file_of(settings: Settings) -> Path:
    return settings.run_dir / "dashboard.json"
