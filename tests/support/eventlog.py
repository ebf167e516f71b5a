"""A real embedded event log for tests, on free ports in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import EmbeddedServer
from laddvakt.settings import EventlogSettings, MqttSettings, Settings


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Everything embedded below `folder`, on free ports."""
    given: dict[str, Any] = {
        "mqtt": MqttSettings(listen="127.0.0.1:0"),
        "eventlog": EventlogSettings(partitions=2),
    }
    return Settings(data_dir=folder, **{**given, **changes})


@asynccontextmanager
async def running_server(settings: Settings) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def running_log(settings: Settings, name: str = "test") -> AsyncIterator[EventLog]:
    """Server and a connection to it."""
    async with running_server(settings):
        log = await EventLog.connect(settings, name=name)
        try:
            yield log
        finally:
            await log.close()
