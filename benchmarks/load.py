"""The load: many stations on raw sockets, one outstanding call each, replies counted by their frame headers.

It must be much cheaper than what it measures, so calls are masked and framed before the clock starts.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import resource
import statistics
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from websockets.frames import Frame, Opcode

from benchmarks.harness import busy_s

_HANDSHAKE_AT_ONCE = 50
_PATIENCE_S = 30.0


def meter_values(number: int, at: datetime, transaction_id: int | None = None) -> dict[str, Any]:
    """A MeterValues request of a three-phase AC station: eight sampled values."""
    volts, amperes = 229.0 + number % 7 / 10, 15.5 + number % 11 / 10

    def sample(value: float, measurand: str, unit: str, phase: str | None = None) -> dict[str, str]:
        made = {"value": f"{value:.1f}", "context": "Sample.Periodic", "format": "Raw", "measurand": measurand}
        return made | ({"phase": phase} if phase else {}) | {"location": "Outlet", "unit": unit}

    samples = [
        sample(1_234_567 + number, "Energy.Active.Import.Register", "Wh"),
        sample(3 * volts * amperes, "Power.Active.Import", "W"),
        *(sample(amperes, "Current.Import", "A", phase) for phase in ("L1", "L2", "L3")),
        *(sample(volts, "Voltage", "V", phase) for phase in ("L1-N", "L2-N", "L3-N")),
    ]
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    transaction = {} if transaction_id is None else {"transactionId": transaction_id}
    return {"connectorId": 1, **transaction, "meterValue": [{"timestamp": stamp, "sampledValue": samples}]}


def call(number: int, payload: dict[str, Any], action: str = "MeterValues") -> str:
    """The text of a CALL."""
    return json.dumps([2, f"{number:08x}", action, payload], separators=(",", ":"))


def framed(text: str) -> bytes:
    """A masked text frame as a client sends it."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


def start_call(at: datetime) -> bytes:
    """A StartTransaction frame for the session that `meter_calls` measure."""
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    payload = {"connectorId": 1, "idTag": "BENCH", "meterStart": 1_234_567, "timestamp": stamp}
    return framed(call(0xFFFFFFFF, payload, "StartTransaction"))


def meter_calls(count: int, now: datetime | None = None) -> list[bytes]:
    """`count` MeterValues frames, each with its own id and moment, the last one now."""
    newest = now or datetime.now(UTC)
    moments = [newest - timedelta(seconds=count - 1 - number) for number in range(count)]
    return [framed(call(number, meter_values(number, at))) for number, at in enumerate(moments)]


class Station(asyncio.Protocol):
    """One connection. `on_reply` is called with each text frame's text."""

    def __init__(self, path: str, on_reply: Callable[[Station, bytes], None], deflate: bool = False) -> None:
        self._path = path
        self._on_reply = on_reply
        self._deflate = deflate
        self._buffer = b""
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False
        self.number = 0  # for whoever drives it
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if self._deflate else ""
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
            f"{deflate}\r\n".encode()
        )

    def send(self, frame: bytes) -> None:
        self._transport.write(frame)

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.open.done():
            self.open.set_exception(ConnectionError(f"{self._path}: refused"))

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self.open.done():
            self._shake_hands()
        while self._frame():
            pass

    def _shake_hands(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        self._buffer = rest
        if not head.startswith(b"HTTP/1.1 101"):
            self.open.set_exception(ConnectionError(head.partition(b"\r\n")[0].decode()))
            return
        self.open.set_result(None)

    def _frame(self) -> bool:
        """Takes one whole frame off the buffer. Servers do not mask, and these do not fragment."""
        data = self._buffer
        if len(data) < 2 or not self.open.done():
            return False
        length, start = data[1], 2
        if length == 126:
            length, start = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10], "big"), 10
        if len(data) < start + length:
            return False
        self._buffer = data[start + length :]
        opcode = data[0] & 0x0F
        if opcode == 1:
            self._on_reply(self, data[start : start + length])
        elif opcode == 9:
            self.send(Frame(Opcode.PONG, data[start : start + length]).serialize(mask=True))
        return True


class Measured(NamedTuple):
    """What one run of the load saw."""

    per_s: float
    sent: int
    answered: int
    refused: int  # replies that are neither an echo nor a CALLRESULT
    p50_ms: float
    p99_ms: float
    load_cpu: float  # of one core
    server_cpu: dict[str, float]  # of one core, by process
    others_cpu: float  # of one core: what is neither the load nor the server


def names(count: int, since: int = 0) -> list[str]:
    """Station ids."""
    return [f"BENCH-{number:05}" for number in range(since, since + count)]


async def connect(
    port: int, count: int, on_reply: Callable[[Station, bytes], None], *, deflate: bool = False, since: int = 0
) -> list[Station]:
    """`count` stations, numbered from `since`, all through the handshake."""
    loop = asyncio.get_running_loop()
    stations: list[Station] = []
    while len(stations) < count:
        few = range(len(stations), min(len(stations) + _HANDSHAKE_AT_ONCE, count))
        fresh = [Station(f"/BENCH-{since + number:05}", on_reply, deflate) for number in few]
        for station in fresh:
            await loop.create_connection(lambda station=station: station, "127.0.0.1", port)  # type: ignore[misc]  # a lambda with a default
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.gather(*(station.open for station in fresh))
        stations += fresh
    return stations


class ClosedLoop:
    """Each station sends its next call when the reply to the last one is there."""

    def __init__(self, frames: list[bytes], first: bytes | None = None) -> None:
        self._frames = frames
        self._first = first  # what each station says before its MeterValues
        self._stopping = False
        self.sent = 0
        self.answered = 0
        self.refused = 0
        self.latencies: list[float] = []

    def on_reply(self, station: Station, text: bytes) -> None:
        now = time.perf_counter()
        self.answered += 1
        self.latencies.append(now - station.sent_at)
        if text[:2] not in (b"[3", b"[2"):  # [2: an echo
            self.refused += 1
        if not self._stopping:
            station.number += 1
            self.say(station, self._frames[station.number % len(self._frames)], now)

    def say(self, station: Station, frame: bytes, now: float) -> None:
        station.send(frame)
        station.sent_at = now
        self.sent += 1

    async def run(
        self, port: int, connections: int, warm_up_s: float, seconds: float, cpu_s: Callable[[], dict[str, float]]
    ) -> Measured:
        stations = await connect(port, connections, self.on_reply)
        chance = random.Random(7)
        for station in stations:
            station.number = chance.randrange(len(self._frames))
            self.say(station, self._first or self._frames[station.number], time.perf_counter())
        await asyncio.sleep(warm_up_s)
        self.latencies.clear()
        before, own, servers, begin = self.answered, _own_cpu_s(), cpu_s(), time.perf_counter()
        busy = busy_s()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - begin
        done = self.answered - before
        load_cpu = (_own_cpu_s() - own) / took
        server_cpu = {name: (spent - servers[name]) / took for name, spent in cpu_s().items()}
        others_cpu = max((busy_s() - busy) / took - load_cpu - sum(server_cpu.values()), 0.0)
        latencies = sorted(self.latencies)
        self._stopping = True
        async with asyncio.timeout(_PATIENCE_S):
            while self.answered < self.sent:
                if any(station.lost for station in stations):
                    raise ConnectionError("the server closed a connection")
                await asyncio.sleep(0.01)
        for station in stations:
            station.close()
        return Measured(
            per_s=done / took,
            sent=self.sent,
            answered=self.answered,
            refused=self.refused,
            p50_ms=1000 * statistics.median(latencies),
            p99_ms=1000 * percentile(latencies, 0.99),
            load_cpu=load_cpu,
            server_cpu=server_cpu,
            others_cpu=others_cpu,
        )


class Paced(NamedTuple):
    """What an open loop saw."""

    per_s: float
    sent: int
    answered: int
    refused: int
    p50_ms: float
    p99_ms: float


class OpenLoop:
    """Calls at an even pace, whether or not there were replies to the last ones. A reply's time counts from when
    its call was due, so that a load that was late itself hides nothing."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames
        self._due: dict[Station, deque[float]] = {}
        self._latencies: list[tuple[float, float]] = []  # due, seconds
        self.sent = 0
        self.answered = 0
        self.refused = 0

    def on_reply(self, station: Station, text: bytes) -> None:
        due = self._due[station].popleft()  # a station's replies come in the order of its calls
        self._latencies.append((due, time.perf_counter() - due))
        self.answered += 1
        self.refused += text[:2] != b"[3"

    async def run(self, port: int, connections: int, per_s: float, warm_up_s: float, seconds: float) -> Paced:
        stations = await connect(port, connections, self.on_reply)
        self._due = {station: deque() for station in stations}
        begin = time.perf_counter()
        total = int(per_s * (warm_up_s + seconds))
        while self.sent < total:
            await asyncio.sleep(0.001)
            for number in range(self.sent, min(int((time.perf_counter() - begin) * per_s), total)):
                station = stations[number % len(stations)]
                self._due[station].append(begin + number / per_s)
                station.send(self._frames[number % len(self._frames)])
                self.sent += 1
        async with asyncio.timeout(_PATIENCE_S):
            while self.answered < self.sent:  # noqa: ASYNC110  # the last ones are on their way
                await asyncio.sleep(0.01)
        for station in stations:
            station.close()
        found = sorted(latency for due, latency in self._latencies if due >= begin + warm_up_s)
        return Paced(
            per_s=len(found) / seconds,
            sent=self.sent,
            answered=self.answered,
            refused=self.refused,
            p50_ms=1000 * statistics.median(found),
            p99_ms=1000 * percentile(found, 0.99),
        )


def percentile(ordered: list[float], part: float) -> float:
    """Of values in rising order."""
    return ordered[int(part * (len(ordered) - 1))]


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
