"""What the suite drives: an address and two stations."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from laddvakt.settings import Settings
from laddvakt.stores.sql.engine import open_records
from tests.support.collecting import register
from tests.support.installation import LEASHED
from tests.support.rawsocket import RawSocket, raw_socket
from tests.support.servers import free_port, listens
from tests.support.waiting import until


class Station(NamedTuple):
    """A registered station."""

    station_id: str
    password: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """HTTP Basic, where it has a password."""
        return basic(self.station_id, self.password) if self.password else {}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Target(NamedTuple):
    """A running collector."""

    host: str
    port: int
    path: str
    stations: tuple[Station, Station]
    tls: ssl.SSLContext | None = None

    def path_of(self, station_id: str) -> str:
        return f"{self.path}/{urllib.parse.quote(station_id, safe='')}"

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[RawSocket]:
        """Before any handshake."""
        async with raw_socket(self.host, self.port, self.tls) as socket:
            yield socket

    @asynccontextmanager
    async def station(self, protocol: str, who: Station | None = None) -> AsyncIterator[RawSocket]:
        """A station that has shaken hands on a version; the first one unless told otherwise."""
        who = who or self.stations[0]
        async with self.connection() as socket:
            path = self.path_of(who.station_id)
            answer = await socket.shake_hands(path, protocols=[protocol], headers=who.headers)
            assert answer.status == 101, answer
            assert answer.headers["sec-websocket-protocol"] == protocol
            yield socket


def given_target(url: str, stations: Sequence[str]) -> Target:
    """As the command line names it. Raises UsageError."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("ws", "wss") or parts.hostname is None:
        raise pytest.UsageError(f"--conformance-url must be ws://HOST:PORT or wss://HOST:PORT, not {url}")
    if len(stations) < 2:
        raise pytest.UsageError("--conformance-station ID[:PASSWORD] is needed twice")
    first, second = (
        Station(name, password or None) for name, _, password in (s.partition(":") for s in stations[:2])
    )
    tls = ssl.create_default_context() if parts.scheme == "wss" else None
    port = parts.port or (443 if tls else 80)
    return Target(parts.hostname, port, parts.path.rstrip("/"), (first, second), tls)


@contextmanager
def collector(folder: Path, eventlog_url: str, **settings: str) -> Iterator[Target]:
    """`laddvakt collector` in a process of its own. `settings` is LADDVAKT_*."""
    stations = Station("CONF-1", "correct horse 1"), Station("CONF-2", "correct horse 2")
    records = open_records(Settings(data_dir=folder / "data"))
    records.migrate()
    for station in stations:
        register(records, station.station_id, station.password)
    records.close()
    port = free_port()
    environment = {
        **os.environ,
        "LADDVAKT_DATA_DIR": str(folder / "data"),
        "LADDVAKT_EVENTLOG__URL": eventlog_url,
        "LADDVAKT_MQTT__URL": "off",
        "LADDVAKT_OCPP__LISTEN": f"127.0.0.1:{port}",
        **settings,
    }
    with (folder / "collector.log").open("wb") as log:
        command = [*LEASHED, sys.executable, "-m", "laddvakt.cli", "collector"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: process.poll() is not None or listens(port), deadline_s=30, what="the collector")
        assert process.poll() is None, (folder / "collector.log").read_text()
        yield Target("127.0.0.1", port, "/ocpp", stations)
        assert process.poll() is None, "the collector died: " + (folder / "collector.log").read_text()
        assert "Traceback" not in (folder / "collector.log").read_text(), (folder / "collector.log").read_text()
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
