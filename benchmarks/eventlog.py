"""The event log against a file: how long until one entry is durable, and how many become so per second."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks.harness import Result, Row, Size, cores, pinned
from benchmarks.load import call, meter_values
from collector.link import Link
from collector.ocpp.action import Policy
from laddvakt.domain.entries import Entry, encode_entry
from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import EmbeddedServer
from laddvakt.settings import MqttSettings, Settings

FILE_ONE, LOG_ONE = "file: write, fsync", "log: append, wait"
FILE_MANY = "file: writes, each with fsync"


class _Found(NamedTuple):
    """Medians in milliseconds, and rates."""

    file_ms: float
    file_per_s: float
    log_ms: float
    log_per_s: float
    appended: int  # by us
    kept: int  # as the log counts


def _entries(count: int) -> list[Entry]:
    now = datetime.now(UTC)
    links = [Link(f"BENCH-{number:05}", "ocpp1.6", Policy()) for number in range(count)]
    return [link.receive(call(n, meter_values(n, now)), now).entry for n, link in enumerate(links)]


def _file(path: Path, data: bytes, count: int) -> tuple[float, float]:
    """What this disk takes: median milliseconds of one write with fsync, and writes per second."""
    times = []
    begin = time.perf_counter()
    with path.open("ab", buffering=0) as file:
        for _ in range(count):
            before = time.perf_counter()
            file.write(data)
            os.fsync(file.fileno())
            times.append(time.perf_counter() - before)
    return 1000 * statistics.median(times), count / (time.perf_counter() - begin)


async def _measure(size: Size, folder: Path) -> _Found:
    settings = Settings(data_dir=folder, mqtt=MqttSettings(listen="127.0.0.1:0"))
    with pinned(cores().server):
        server = EmbeddedServer(settings)
        await server.start()
    entries = _entries(size.connections)
    log = await EventLog.connect(settings, name="benchmark")
    try:
        file_ms, file_per_s = _file(folder / "plain", encode_entry(entries[0]), size.appends)
        appender = log.appender
        await appender.append(entries[0])
        times = []
        for _ in range(size.appends):
            before = time.perf_counter()
            await appender.append(entries[0])
            times.append(time.perf_counter() - before)
        alone, until = 1 + size.appends, time.perf_counter() + size.seconds
        done = 0

        async def station(entry: Entry) -> None:
            nonlocal done
            while time.perf_counter() < until:
                await appender.append(entry)
                done += 1

        begin = time.perf_counter()
        await asyncio.gather(*(station(entry) for entry in entries))
        took = time.perf_counter() - begin
        return _Found(
            file_ms,
            file_per_s,
            1000 * statistics.median(times),
            done / took,
            alone + done,
            appender.durable_entries,
        )
    finally:
        await log.close()
        await server.stop()


def run(size: Size, folder: Path) -> Result:
    """Client on one core, log on the other."""
    found = []
    with pinned(cores().load):
        for _ in range(size.repeats):
            with tempfile.TemporaryDirectory(dir=folder) as own:
                found.append(uvloop.run(_measure(size, Path(own))))

    def row(name: str, unit: str, values: list[float], *peers: str) -> Row:
        return Row(name=name, unit=unit, samples=tuple(round(value, 3) for value in values), peers=peers)

    many = f"log: appends, {size.connections} waiting"
    return Result(
        benchmark="eventlog",
        title="Durable entries: the log against a file",
        rows=(
            row(FILE_ONE, "ms", [one.file_ms for one in found]),
            row(LOG_ONE, "ms", [one.log_ms for one in found], FILE_ONE),
            row(FILE_MANY, "per s", [one.file_per_s for one in found]),
            row(many, "per s", [one.log_per_s for one in found], FILE_MANY),
        ),
        asked=sum(one.appended for one in found),
        counted=sum(one.kept for one in found),
    )
