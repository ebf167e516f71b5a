"""A tap on a real event log, a central system that records every byte, a station that sends given ones."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from collector.tap.service import Tap
from laddvakt.clock import utc_now
from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import EmbeddedServer
from laddvakt.eventlog.tasks import cancel_and_wait
from laddvakt.settings import Settings, TapSettings
from tests.support.eventlog import running_server, settings_for
from tests.support.waiting import eventually

MASK = b"\x11\x22\x33\x44"


def answer_101(protocol: str = "ocpp1.6", *fields: str) -> bytes:
    """The answer to a handshake, in a spelling of its own."""
    lines = ["HTTP/1.1 101 Switching Protocols", "upgrade: WebSocket", "Connection: Upgrade"]
    lines += [
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        f"sec-websocket-protocol:  {protocol}",
        *fields,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def request(host: str, path: str = "/SE-1", protocol: str = "ocpp1.6", *fields: str) -> bytes:
    """A handshake of a station that writes headers its own way."""
    lines = [f"GET {path} HTTP/1.1", "user-agent: Acme/1", f"HOST:  {host}", "Upgrade: websocket"]
    lines += ["Connection: keep-alive, Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    lines += ["Authorization: Basic U0UtMTpwYXNzLTE=", f"Sec-WebSocket-Protocol: {protocol}"]
    return "\r\n".join([*lines, "Sec-WebSocket-Version: 13", *fields, "", ""]).encode()


def masked(data: bytes | str, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, rsv1: bool = False) -> bytes:
    """A frame of a station, with a mask that is always the same."""
    payload = data.encode() if isinstance(data, str) else data
    head = bytes([fin << 7 | rsv1 << 6 | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += b"\xfe" + len(payload).to_bytes(2, "big")
    else:
        head += b"\xff" + len(payload).to_bytes(8, "big")
    return head + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


def plain(data: bytes | str, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    """A frame of a central system."""
    payload = data.encode() if isinstance(data, str) else data
    return Frame(opcode, payload, fin).serialize(mask=False)


class Deflater:
    """Compresses messages of one side, with a window that is kept."""

    def __init__(self) -> None:
        self._extension = PerMessageDeflate(True, False, 15, 15)

    def payload(self, text: str) -> bytes:
        return bytes(self._extension.encode(Frame(Opcode.TEXT, text.encode())).data)


class Recording:
    """A central system on loopback: keeps what it is sent, byte for byte, and sends what it is told to.

    `answer` follows the first request, `lines` come one for each further piece that arrives.
    """

    def __init__(self, *, answer: bytes = b"", says: list[bytes] | None = None, tls: Any = None) -> None:
        self.answer = answer
        self.says = list(says or [])
        self.received: list[bytearray] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.ended = 0
        self.reading = asyncio.Event()
        self.reading.set()
        self._tls = tls
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Recording:
        await self.start()
        return self

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()

    @property
    def bytes(self) -> bytes:
        """Of all connections."""
        return b"".join(map(bytes, self.received))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = bytearray()
        self.received.append(got)
        self.writers.append(writer)
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                answered = b"\r\n\r\n" in got
                got += data
                if not answered and b"\r\n\r\n" in got and self.answer:
                    writer.write(self.answer)
                    for piece in self.says:
                        writer.write(piece)
                await self.reading.wait()
        self.ended += 1
        writer.close()


class Tapped:
    """A running tap. `log` is the event log that it writes to."""

    def __init__(self, tap: Tap, settings: Settings) -> None:
        self.tap = tap
        self.settings = settings
        self.nats: EmbeddedServer | None = None
        self.log: EventLog | None = None

    @property
    def port(self) -> int:
        return self.tap.port


@asynccontextmanager
async def tapped(folder: Path, upstream: str, *, log: bool = True, **tap: Any) -> AsyncIterator[Tapped]:
    """A tap in front of `upstream`, on a real event log unless told otherwise."""
    settings = settings_for(folder, tap=TapSettings(listen="127.0.0.1:0", upstream=upstream, **tap))
    running = Tapped(Tap(settings, utc_now), settings)
    if not log:
        async with _run(running.tap):
            yield running
        return
    async with running_server(settings) as running.nats:
        running.log = await EventLog.connect(settings, name="test")
        try:
            async with _run(running.tap):
                yield running
        finally:
            await running.log.close()


@asynccontextmanager
async def _run(tap: Tap) -> AsyncIterator[None]:
    task = asyncio.create_task(tap.run())
    try:
        await eventually(lambda: tap.serving or task.done(), what="the tap")
        if task.done():
            task.result()
        yield
    finally:
        await cancel_and_wait([task])


class RawStation:
    """Sends bytes, keeps bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received = bytearray()

    @classmethod
    async def connect(cls, port: int, tls: ssl.SSLContext | None = None) -> RawStation:
        name = "localhost" if tls else None
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, count: int) -> bytes:
        """What has arrived, at least `count` bytes."""
        async with asyncio.timeout(10):
            while len(self.received) < count:
                data = await self.reader.read(65536)
                assert data, f"the connection ended after {bytes(self.received)!r}"
                self.received += data
        return bytes(self.received)

    async def to_the_end(self) -> bytes:
        """All that arrives until the other side ends."""
        async with asyncio.timeout(15):
            while data := await self.reader.read(65536):
                self.received += data
        return bytes(self.received)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()
