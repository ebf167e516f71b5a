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
from tests.support.authority import Authority
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
    guards = tuple(Station(f"GUARD-{number}", stations[0].password) for number in range(20))
    for station in stations + guards:
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


class Secured(NamedTuple):
    """A collector behind TLS. `target` shakes hands as CONF-1 should."""

    target: Target
    authority: Authority
    stranger: Authority

    def authority_context(self) -> ssl.SSLContext:
        """Trusts the collector; shows nothing."""
        return ssl.create_default_context(cafile=str(self.authority.ca_file))

    def station_context(self, name: str) -> ssl.SSLContext:
        """The same, and shows a certificate of that name."""
        return self._showing(self.authority, name)

    def stranger_context(self, name: str) -> ssl.SSLContext:
        """The same, and shows one that nobody vouches for."""
        return self._showing(self.stranger, name)

    def _showing(self, authority: Authority, name: str) -> ssl.SSLContext:
        context = self.authority_context()
        pair = authority.issue(name, file=f"client-{name}")
        context.load_cert_chain(pair.cert, pair.key)
        return context


@contextmanager
def secured_collector(folder: Path, eventlog_url: str, profile: int) -> Iterator[Secured]:
    """Security profile 2 or 3."""
    (folder / "elsewhere").mkdir()
    authority, stranger = Authority(folder), Authority(folder / "elsewhere", "Stranger")
    server = authority.issue("collector")
    settings = {
        "LADDVAKT_OCPP__SECURITY_PROFILE": str(profile),
        "LADDVAKT_OCPP__TLS_CERT_FILE": str(server.cert),
        "LADDVAKT_OCPP__TLS_KEY_FILE": str(server.key),
    }
    if profile == 3:
        settings["LADDVAKT_OCPP__TLS_CLIENT_CA_FILE"] = str(authority.ca_file)
    with collector(folder, eventlog_url, **settings) as target:
        found = Secured(target, authority, stranger)
        tls = found.station_context("CONF-1") if profile == 3 else found.authority_context()
        yield found._replace(target=target._replace(tls=tls))
