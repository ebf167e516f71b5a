"""A station's socket without manners: RFC 6455 by hand, so that a test can send what no library would."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import ssl
import struct
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

PATIENCE_S = 10.0
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class Answer(NamedTuple):
    """The answer to a handshake. Header names are in lower case."""

    status: int
    headers: dict[str, str]


class Received(NamedTuple):
    """One frame of the other side. `code` only of a close frame."""

    opcode: int
    payload: bytes
    code: int | None = None

    @property
    def text(self) -> str:
        assert self.opcode == TEXT, self
        return self.payload.decode()


GONE = Received(CLOSE, b"", 1006)
"""The connection ended without a close frame (RFC 6455 section 7.1.5)."""


def frame(
    payload: bytes | str, *, opcode: int = TEXT, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """The bytes of a frame (RFC 6455 section 5.2). `rsv`: the three reserved bits."""
    data = payload.encode() if isinstance(payload, str) else payload
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = masked << 7
    if len(data) < 126:
        head += bytes([bit | len(data)])
    elif len(data) < 2**16:
        head += struct.pack("!BH", bit | 126, len(data))
    else:
        head += struct.pack("!BQ", bit | 127, len(data))
    if not masked:
        return head + data
    mask = os.urandom(4)
    return head + mask + _masked(data, mask)


def _masked(data: bytes, mask: bytes) -> bytes:
    long_mask = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(long_mask)).to_bytes(len(data))


def upgrade(
    path: str,
    *,
    protocols: Iterable[str] = (),
    headers: Mapping[str, str] | None = None,
    key: str = "x" * 22 + "==",
) -> bytes:
    """The bytes of a handshake. A header of `headers` replaces the one of that name; "" leaves it out."""
    offered = ", ".join(protocols)
    fields = {
        "Host": "collector",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": offered,
        **(headers or {}),
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


class RawSocket:
    """One TCP (or TLS) connection. Every wait ends after PATIENCE_S with TimeoutError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._count = 0

    async def write(self, data: bytes) -> None:
        """Whatever bytes; a peer that has gone is no error here: reading will tell."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(PATIENCE_S):
                await self._writer.drain()
        except ConnectionError:
            pass

    def end_of_input(self) -> None:
        """Nothing more will be said on this side; the other may go on."""
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def send(self, payload: bytes | str, **how: Any) -> None:
        await self.write(frame(payload, **how))

    async def answer(self) -> Answer | None:
        """The answer to a handshake; None: hung up without one."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        fields = (line.partition(":") for line in lines)
        return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields})

    async def shake_hands(self, path: str, **how: Any) -> Answer:
        """A handshake of good manners; the answer is checked as RFC 6455 section 4.1 asks a client to."""
        key = base64.b64encode(os.urandom(16)).decode()
        await self.write(upgrade(path, key=key, **how))
        answer = await self.answer()
        assert answer is not None, "hung up during the handshake"
        if answer.status == 101:
            digest = hashlib.sha1(key.encode() + _ACCEPT, usedforsecurity=False).digest()
            assert answer.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
            assert answer.headers["upgrade"].lower() == "websocket"
            assert "sec-websocket-extensions" not in answer.headers
        return answer

    async def receive(self) -> Received:
        """The next frame, or GONE."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            return GONE

    async def _frame(self) -> Received:
        first, second = await self._reader.readexactly(2)
        assert first & 0xF0 == 0x80, "fragmented, or with reserved bits"
        assert second < 128, "a server must not mask (RFC 6455 section 5.1)"
        length = second
        if second == 126:
            (length,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif second == 127:
            (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
        payload = await self._reader.readexactly(length)
        opcode = first & 0x0F
        code = struct.unpack("!H", payload[:2])[0] if opcode == CLOSE and payload else None
        return Received(opcode, payload, code)

    async def end(self) -> Received:
        """How the connection ends: its close frame, or GONE. Frames before it are read past."""
        while True:
            received = await self.receive()
            if received.opcode == CLOSE:
                return received

    async def rpc(self) -> Any:
        """The next OCPP-J message, decoded. A connection that ends instead fails the test. The collector's own
        calls are refused on the way: it may ask something of a station at any time."""
        while True:
            received = await self.receive()
            assert received.opcode != CLOSE, f"closed: {received}"
            if received.opcode != TEXT:
                continue
            message = json.loads(received.text)
            if message[0] != 2:
                return message
            await self.send(json.dumps([4, message[1], "NotImplemented", "", {}]))

    async def say(self, text: str | bytes) -> Any:
        """Sends a text as it is; the OCPP-J message that comes next, decoded."""
        await self.send(text)
        return await self.rpc()

    async def call(self, action: str, payload: object, unique_id: str | None = None) -> Any:
        """The answer to a CALL, decoded."""
        self._count += 1
        return await self.say(json.dumps([2, unique_id or f"c{self._count}", action, payload]))

    async def beat(self) -> None:
        """A Heartbeat is answered: the connection works."""
        self._count += 1
        kind, unique_id, payload = await self.say(f'[2,"beat{self._count}","Heartbeat",{{}}]')
        assert (kind, unique_id, list(payload)) == (3, f"beat{self._count}", ["currentTime"])

    async def beat_at_last(self) -> None:
        """`beat`, whatever else is said before."""
        self._count += 1
        unique_id = f"beat{self._count}"
        await self.send(f'[2,"{unique_id}","Heartbeat",{{}}]')
        while (await self.rpc())[:2] != [3, unique_id]:
            pass

    def hang_up(self) -> None:
        """Without a close frame."""
        self._writer.transport.abort()


@asynccontextmanager
async def raw_socket(host: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawSocket]:
    """A connection, gone at the end."""
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=2**22)
    try:
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()
