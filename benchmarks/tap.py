"""What the tap adds: round trips to a central system with and without it, its memory, and with its log asleep.

Calls come at an even pace, so that what is measured is the way and not a queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import uvloop

from benchmarks.harness import Result, Row, Running, Size, cores, pinned, server
from benchmarks.load import Station, connect, meter_calls

DIRECT = "directly"
PER_S = 500
_PATIENCE_S = 30.0
_SETTLE_S = 0.5
_AT_MOST_IDLE = 1000


class _Round(NamedTuple):
    p50_us: float
    p99_us: float
    asked: int
    answered: int
    cpu_us: float = 0.0  # of the tap, for a call and its answer


def _through(tap: Running, size: Size, frames: list[bytes]) -> _Round:
    before = tap.cpu_s()["server"]
    done = uvloop.run(_rounds(tap.port, size, frames))
    return done._replace(cpu_us=1e6 * (tap.cpu_s()["server"] - before) / done.answered)


async def _rounds(port: int, size: Size, frames: list[bytes]) -> _Round:
    """Calls of all stations in turn, `PER_S` a second."""
    latencies: list[float] = []

    def on_reply(station: Station, beginning: bytes) -> None:
        latencies.append(time.perf_counter() - station.sent_at)

    stations = await connect(port, size.connections, on_reply)
    loop = asyncio.get_running_loop()
    begin, asked = loop.time(), int(PER_S * (size.seconds + size.warm_up_s))
    for number in range(asked):
        await asyncio.sleep(max(begin + number / PER_S - loop.time(), 0))
        station = stations[number % len(stations)]
        station.sent_at = time.perf_counter()
        station.send(frames[number % len(frames)])
    async with asyncio.timeout(_PATIENCE_S):
        while len(latencies) < asked:  # noqa: ASYNC110  # the last ones are on their way
            await asyncio.sleep(0.01)
    for station in stations:
        station.close()
    measured = sorted(latencies[int(PER_S * size.warm_up_s) :])
    middle, late = measured[len(measured) // 2], measured[int(0.99 * (len(measured) - 1))]
    return _Round(1e6 * middle, 1e6 * late, asked, len(latencies))


async def _grown_kib(running: Running, count: int) -> float:
    """Memory of a silent connection, both of its sockets."""
    first = await connect(running.port, 10, lambda *_: None, since=count)
    await asyncio.sleep(_SETTLE_S)
    before = running.rss()
    stations = await connect(running.port, count, lambda *_: None)
    await asyncio.sleep(_SETTLE_S)
    grown = (running.rss() - before) / count / 1024
    for station in (*first, *stations):
        station.close()
    return round(grown, 2)


@contextlib.contextmanager
def _asleep(running: Running) -> Iterator[None]:
    """The tap's event log does not answer meanwhile."""
    pid = running.processes["log"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def run(size: Size, folder: Path) -> Result:
    """All ways once per repeat, in turn."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    frames = meter_calls(512)
    ways = (DIRECT, "through the tap", "through the tap, its log asleep")
    found: dict[str, list[_Round]] = {way: [] for way in ways}
    memory: list[float] = []
    try:
        for _ in range(size.repeats):
            with (
                tempfile.TemporaryDirectory(dir=folder) as own,
                server("answer", cores().load, Path(own)) as central,
                server("tap", cores().server, Path(own), upstream=central.port, log_core=cores().load) as tap,
                pinned(cores().load),
            ):
                memory.append(uvloop.run(_grown_kib(tap, min(size.idle, _AT_MOST_IDLE))))
                found[ways[0]].append(uvloop.run(_rounds(central.port, size, frames)))
                found[ways[1]].append(_through(tap, size, frames))
                with _asleep(tap):
                    found[ways[2]].append(_through(tap, size, frames))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    rows = [
        Row(
            name=f"{way}, {word}",
            unit="us",
            samples=tuple(getattr(one, field) for one in found[way]),
            peers=() if way == DIRECT else (f"{DIRECT}, {word}",),
            notes={} if way == DIRECT else {"us of processor": median(one.cpu_us for one in found[way])},
        )
        for word, field in (("median", "p50_us"), ("99th percentile", "p99_us"))
        for way in ways
    ]
    rows.append(Row(name="memory of a silent connection through the tap", unit="KiB", samples=tuple(memory)))
    return Result(
        benchmark="tap",
        title=f"Round trips through the tap, {PER_S} calls a second from {size.connections} stations",
        rows=tuple(rows),
        asked=sum(one.asked for way in ways for one in found[way]),
        counted=sum(one.answered for way in ways for one in found[way]),
    )
