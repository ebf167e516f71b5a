"""The whole way on this machine: stations that talk as fast as they are answered, and the time until records and
telemetry have everything. Twice: event log, collector and recorder alone on one core with the load on the other;
and all of `laddvakt up`, where all cores are shared, the load's own included."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
import uvloop

from benchmarks.harness import ROOT, Cores, Result, Row, Size, cores, pinned, server
from benchmarks.load import ClosedLoop, Measured, meter_calls, start_call
from benchmarks.recorder import price_everything
from collector.recorder import RECORDS, TELEMETRY
from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import die_with_parent
from laddvakt.settings import Settings, load_settings
from laddvakt.stores.sql.engine import SqlRecords, open_records

ACCEPTED, STORED = "answered (durable in the log)", "stored (in records and telemetry)"
THREE, ALL = "event log, collector and recorder", "all services"
_FRAMES = 4096
_PATIENCE_S = 60.0


class _Found(NamedTuple):
    measured: Measured
    stored_per_s: float
    behind_s: float
    energy_seen: int  # sessions whose last reading is there
    cpu_s: dict[str, float]


class Installed(NamedTuple):
    """What runs: where stations connect, and its processes by service."""

    port: int
    processes: dict[str, psutil.Process]

    def cpu_s(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self.processes.items()}
        return {name: spent.user + spent.system for name, spent in times.items()}


Installation = Callable[[Path, Cores], AbstractContextManager[Installed]]


def _environment(folder: Path) -> dict[str, str]:
    return {
        "LADDVAKT_DATA_DIR": str(folder),
        "LADDVAKT_OCPP__LISTEN": "127.0.0.1:0",
        "LADDVAKT_OCPP__UNKNOWN_STATIONS": "accept",
        "LADDVAKT_OCPP__TRIGGER_AFTER_GAP": "false",  # the load answers no calls
        "LADDVAKT_MQTT__LISTEN": "127.0.0.1:0",
        "LADDVAKT_WEB__LISTEN": "127.0.0.1:0",
    }


@contextmanager
def _started(command: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{command}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "laddvakt.cli", command],
            cwd=ROOT,
            env={**os.environ, **_environment(folder)},
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # no thread of ours runs yet
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@contextmanager
def all_services(folder: Path, _: Cores) -> Iterator[Installed]:
    """`laddvakt up` until its pages answer."""
    with _started("up", folder) as process:
        deadline = time.monotonic() + _PATIENCE_S
        while "Laddvakt runs" not in (folder / "up.log").read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"`laddvakt up` does not run: {(folder / 'up.log').read_text()[-2000:]}")
            time.sleep(0.1)
        pids: dict[str, int] = msgspec.json.decode((folder / "run" / "processes.json").read_bytes())
        address = str(msgspec.json.decode((folder / "run" / "addresses.json").read_bytes())["stations"])
        processes = {name: psutil.Process(pid) for name, pid in pids.items() if name != "up"}
        yield Installed(int(address.rpartition(":")[2]), processes)


@contextmanager
def _three(folder: Path, core: Cores) -> Iterator[Installed]:
    """Event log, collector and recorder on one core."""
    with ExitStack() as stack:
        running = stack.enter_context(server("collector", core.server, folder))
        with pinned(core.server):
            recorder = stack.enter_context(_started("recorder", folder))
        collector, log = running.processes["server"], running.processes["log"]
        processes = {"eventlog": log, "collector": collector, "recorder": psutil.Process(recorder.pid)}
        yield Installed(running.port, processes)


def _positions(records: SqlRecords) -> int:
    """Up to where both readers have stored the log."""
    with records.read() as work:
        return min(max(work.positions.get(reader).values(), default=0) for reader in (RECORDS, TELEMETRY))


async def _until_recorder_runs(log: EventLog) -> None:
    beating = asyncio.Event()

    def hear(kind: str, data: bytes) -> None:
        if kind == "pulse" and msgspec.json.decode(data)["service"] == "recorder":
            beating.set()

    stop = await log.feed.subscribe(hear)
    async with asyncio.timeout(_PATIENCE_S):
        await beating.wait()
    await stop()


async def _drive(size: Size, settings: Settings, records: SqlRecords, what: Installed) -> _Found:
    log = await EventLog.connect(settings, name="benchmark")
    try:
        await _until_recorder_runs(log)
        now = datetime.now(UTC)
        frames = meter_calls(_FRAMES, now)
        loop = ClosedLoop(frames, start_call(now - timedelta(seconds=_FRAMES + 1)))
        before, begin = what.cpu_s(), time.perf_counter()
        measured = await loop.run(what.port, size.connections, size.warm_up_s, 2 * size.seconds, lambda: {})
        spoken = time.perf_counter()
        last = await log.last_sequence()
        async with asyncio.timeout(_PATIENCE_S):
            while _positions(records) < last:  # noqa: ASYNC110  # another process gets there
                await asyncio.sleep(0.02)
        end = time.perf_counter()
        spent = {name: value - before[name] for name, value in what.cpu_s().items()}
    finally:
        await log.close()
    with records.read() as work:
        kept = sum(session.last_reading_at is not None for session in work.sessions.unended())
    return _Found(measured, measured.answered / (end - begin), end - spoken, kept, spent)


def _once(installation: Installation, size: Size, folder: Path) -> _Found:
    core = cores()
    with tempfile.TemporaryDirectory(dir=folder) as own:
        path = Path(own)
        settings = load_settings(environ=_environment(path))
        records = open_records(settings)
        records.migrate()
        price_everything(records, datetime(2026, 1, 1, tzinfo=UTC))
        try:
            with installation(path, core) as what, pinned(core.load if installation is _three else None):
                return uvloop.run(_drive(size, settings, records, what))
        finally:
            records.close()


def _rows(name: str, found: list[_Found]) -> tuple[Row, Row]:
    answered = sum(one.measured.answered for one in found)
    cpu = {
        f"{service} cpu us/call": round(1e6 * sum(one.cpu_s[service] for one in found) / answered, 1)
        for service in found[0].cpu_s
    }
    behind = {"seconds behind at the end": round(max(one.behind_s for one in found), 2)}
    accepted = Row(
        name=f"{name}: {ACCEPTED}",
        unit="MeterValues/s",
        samples=tuple(round(one.measured.per_s, 1) for one in found),
    )
    stored = Row(
        name=f"{name}: {STORED}",
        unit="MeterValues/s",
        samples=tuple(round(one.stored_per_s, 1) for one in found),
        peers=(accepted.name,),
        notes=behind | cpu,
    )
    return accepted, stored


def run(size: Size, folder: Path) -> Result:
    """At most two repeats of each: each starts everything anew."""
    rows: list[Row] = []
    everything: list[_Found] = []
    for name, installation in ((THREE, _three), (ALL, all_services)):
        found = [_once(installation, size, folder) for _ in range(min(size.repeats, 2))]
        rows += _rows(name, found)
        everything += found
    answered = sum(one.measured.answered - one.measured.refused for one in everything)
    return Result(
        benchmark="whole_way",
        title=f"The whole way, {size.connections} stations with a session each",
        rows=tuple(rows),
        asked=sum(one.measured.sent for one in everything) + size.connections * len(everything),
        counted=answered + sum(one.energy_seen for one in everything),
    )
