"""A collector's doors on a real event log, and what the log then holds."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from argon2 import PasswordHasher
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from collector.registry import Registry
from collector.server import StationServer
from laddvakt.clock import utc_now
from laddvakt.domain.entries import Entry
from laddvakt.domain.stations import Station
from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import EmbeddedServer
from laddvakt.settings import OcppSettings, Settings
from laddvakt.stores.ports import Credentials, Records
from laddvakt.stores.sql.engine import open_records
from tests.support.eventlog import running_server, settings_for
from tests.support.waiting import until

OCPP16 = [Subprotocol("ocpp1.6")]
_readers = itertools.count(1)


def register(records: Records, station_id: str, password: str | None = None, **credentials: Any) -> None:
    """As an import does."""
    with records.begin() as work:
        work.stations.save([Station(station_id=station_id, registered=True)])
        hashed = None if password is None else quick_hash(password)
        work.stations.set_credentials(station_id, Credentials(password_hash=hashed, **credentials))


def quick_hash(password: str) -> str:
    """Argon2id, as light as it can be."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


def basic(user: str, password: str | bytes) -> dict[str, str]:
    """The header of HTTP Basic authentication."""
    secret = password.encode() if isinstance(password, str) else password
    return {"Authorization": "Basic " + base64.b64encode(user.encode() + b":" + secret).decode()}


async def logged(log: EventLog, enough: Callable[[list[Entry]], bool]) -> list[Entry]:
    """All entries from the beginning of the log until `enough`. Raises TimeoutError after 10 s."""
    entries: list[Entry] = []
    reader = log.consume(consumer=f"test{next(_readers)}", positions={})
    try:
        async with asyncio.timeout(10):
            while not enough(entries):
                entries += [entry for record in await anext(reader) for entry in record.entries]
    except TimeoutError:
        raise TimeoutError(f"the log holds only {entries}") from None
    finally:
        await reader.aclose()
    return entries


@contextmanager
def asleep(server: EmbeddedServer) -> Iterator[None]:
    """The event log takes nothing meanwhile; its connections stay."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    until(lambda: psutil.Process(server.pid).status() == psutil.STATUS_STOPPED, what="the log to fall asleep")
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


class Door:
    """A running StationServer. `url` has no path."""

    def __init__(
        self,
        server: StationServer,
        registry: Registry,
        log: EventLog,
        nats: EmbeddedServer,
        records: Records,
    ) -> None:
        self.server = server
        self.registry = registry
        self.log = log
        self.nats = nats
        self.records = records

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}"

    def station(self, path: str = "SE-1", **options: Any) -> connect:
        """A connection of a station that speaks OCPP 1.6 unless told otherwise."""
        url = options.pop("url", f"{self.url}/{path}")
        return connect(url, **{"subprotocols": OCPP16, "compression": None, **options})

    async def entries(self, count: int, station_id: str = "SE-1") -> list[Entry]:
        """The station's first entries, at least `count`."""
        found = await logged(self.log, lambda all_: sum(e.station_id == station_id for e in all_) >= count)
        return [entry for entry in found if entry.station_id == station_id]


@asynccontextmanager
async def served(folder: Path, **ocpp: Any) -> AsyncIterator[Door]:
    """Stations are served on a free port. SE-1 is registered, with the password `pass-1`."""
    settings = settings_for(folder, ocpp=OcppSettings(listen="127.0.0.1:0", **ocpp))
    records = open_records(Settings(data_dir=folder))
    records.migrate()
    register(records, "SE-1", "pass-1")
    async with running_server(settings) as nats:
        log = await EventLog.connect(settings, name="test")
        registry = Registry(records, settings.ocpp, "key")
        registry.load()
        server = StationServer(settings.ocpp, registry, log.appender, utc_now)
        await server.start()
        try:
            yield Door(server, registry, log, nats, records)
        finally:
            await server.stop()
            await log.close()
            records.close()


async def ask(link: ClientConnection, action: str, payload: dict[str, Any], unique_id: str = "1") -> Any:
    """The answer to a call, decoded."""
    await link.send(json.dumps([2, unique_id, action, payload]))
    return await answer(link)


async def answer(link: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(link.recv(), 10))
