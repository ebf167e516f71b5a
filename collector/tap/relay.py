"""Forwarding: bytes from one socket to the other, both ways. Waits for nothing but the other socket.

Each direction holds what TCP lets it: a write buffer that is full stops the reading on the other side alone.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import TypeGuard, cast

from collector.tap.head import Requests, Upstream
from collector.tap.observation import Listener

logger = logging.getLogger(__name__)

BUFFER_BYTES = 64 * 1024  # a direction; beyond it the sender is held up
REQUEST_WITHIN_S = 20.0
CONNECT_WITHIN_S = 10.0
_DRAIN_WITHIN_S = 10.0
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))  # a dead peer is found in 2 min

_WHY = b"The central system cannot be reached.\n"
UNREACHABLE = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_WHY), _WHY)
)


class Way:
    """How to reach the central system, and how that went."""

    def __init__(self, upstream: Upstream, tls: ssl.SSLContext | None, *, keep_host: bool) -> None:
        self.upstream = upstream
        self.keep_host = keep_host
        self._tls = tls
        self.failures = 0
        self.trouble = ""  # of the last attempt

    async def connect(self, end: CentralEnd) -> bool:
        """Whether the central system was reached."""
        loop = asyncio.get_running_loop()
        name = self.upstream.host if self._tls else None
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await loop.create_connection(
                    lambda: end, self.upstream.host, self.upstream.port, ssl=self._tls, server_hostname=name
                )
        except (OSError, TimeoutError) as error:  # of TLS as well
            trouble = str(error) or "it does not answer"
            if trouble != self.trouble:
                logger.error("the central system %s:%d: %s", self.upstream.host, self.upstream.port, trouble)
            self.failures += 1
            self.trouble = trouble
            return False
        if self.trouble:
            logger.info("the central system is reached again")
        self.trouble = ""
        return True


class _End(asyncio.Protocol):
    """One of the two sockets of a connection."""

    transport: asyncio.Transport | None = None
    other: _End | None = None
    ended = False  # it said that it sends nothing more

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES)
        _keep_alive(transport.get_extra_info("socket"))

    def pause_writing(self) -> None:
        if self.other is not None and _open(self.other.transport):
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and _open(self.other.transport):
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """A half-close is passed on where the transport has such a thing; TLS has none."""
        self.ended = True
        other = self.other
        if other is None:  # a station that is done before it could be connected is told so then
            return bool(self.transport and self.transport.can_write_eof())
        if not _open(other.transport):
            return False
        if other.ended or not other.transport.can_write_eof():
            close(other.transport)
            return False
        other.transport.write_eof()
        return bool(self.transport and self.transport.can_write_eof())

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            close(self.other.transport)


class StationEnd(_End):
    """Towards the station."""

    def __init__(self, relay: Relay, listener: Listener) -> None:
        self._relay = relay
        self._way = relay.way
        self._listener = listener
        self._requests = Requests(relay.way.upstream, keep_host=relay.way.keep_host)
        self._unsent = b""  # until the central system is reached
        self._reaching: asyncio.Task[None] | None = None
        self._impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._relay.connections.add(self)
        self._impatience = asyncio.get_running_loop().call_later(REQUEST_WITHIN_S, self._too_slow)

    def _too_slow(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._requests.passing:
            self._send(data)
            self._listener.from_station(data)
            return
        sent, path, behind = self._requests.feed(data)
        self._send(sent)
        if path is not None:
            self._listener.asked(path)
            sent = behind
        if sent:
            self._listener.from_station(sent)

    def _send(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        elif data:
            self._unsent += data
            if self._reaching is None and self.transport is not None:
                self.transport.pause_reading()
                self._reaching = asyncio.get_running_loop().create_task(self._reach())

    async def _reach(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
        central = CentralEnd(self, self._listener)
        reached = await self._way.connect(central)
        transport = self.transport
        if not _open(transport) or not reached:
            if _open(transport):
                transport.write(UNREACHABLE)
            close(transport)
            close(central.transport)
            return
        self.other = central
        self._send(self._unsent)
        self._unsent = b""
        if self.ended and central.transport is not None and central.transport.can_write_eof():
            central.transport.write_eof()
        transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
        if self._reaching is not None and self.other is None:
            self._reaching.cancel()
        super().connection_lost(exc)
        self._relay.connections.discard(self)
        self._listener.ended(str(exc) if exc else "connection lost")


class CentralEnd(_End):
    """Towards the central system."""

    def __init__(self, station: StationEnd, listener: Listener) -> None:
        self.other = station
        self._listener = listener

    def data_received(self, data: bytes) -> None:
        station = self.other
        if station is not None and station.transport is not None:
            station.transport.write(data)
        self._listener.from_central(data)


class Relay:
    """All connections of one listening address."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.connections: set[StationEnd] = set()

    def close(self) -> None:
        """Ends all connections, as a cable would."""
        for end in list(self.connections):
            close(end.transport)


def _open(transport: asyncio.Transport | None) -> TypeGuard[asyncio.Transport]:
    return transport is not None and not transport.is_closing()


def close(transport: asyncio.Transport | None) -> None:
    """Closes a socket when what it still has to send is sent, or does not get sent."""
    if transport is None or transport.is_closing():
        return
    transport.close()
    asyncio.get_running_loop().call_later(_DRAIN_WITHIN_S, transport.abort)


def _keep_alive(sock: socket.socket | None) -> None:
    """Stations and central systems may be silent for a day: only TCP knows that nobody is there any more."""
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
