"""The whole way on this machine: `laddvakt up`, stations that talk as fast as they are answered, and the time
until records and telemetry have everything. All cores are shared, the load's own included."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
import uvloop

from benchmarks.harness import ROOT, Result, Row, Size
from benchmarks.load import ClosedLoop, Measured, meter_calls, start_call
from benchmarks.recorder import price_everything
from collector.recorder import RECORDS, TELEMETRY
from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import die_with_parent
from laddvakt.settings import Settings, load_settings
from laddvakt.stores.sql.engine import SqlRecords, open_records

ACCEPTED, STORED = "answered (durable in the log)", "stored (in records and telemetry)"
_FRAMES = 4096
_PATIENCE_S = 60.0


class _Found(NamedTuple):
    measured: Measured
    stored_per_s: float
    behind_s: float
    energy_seen: int  # sessions whose last reading is there
    cpu_s: dict[str, float]


def _environment(folder: Path) -> dict[str, str]:
    return {
        "LADDVAKT_DATA_DIR": str(folder),
        "LADDVAKT_OCPP__LISTEN": "127.0.0.1:0",
        "LADDVAKT_OCPP__UNKNOWN_STATIONS": "accept",
        "LADDVAKT_MQTT__LISTEN": "127.0.0.1:0",
        "LADDVAKT_WEB__LISTEN": "127.0.0.1:0",
    }


@contextmanager
def _up(folder: Path) -> Iterator[Path]:
    """`laddvakt up` until its pages answer; gives the folder of its run files."""
    with (folder / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "laddvakt.cli", "up"],
            cwd=ROOT,
            env={**os.environ, **_environment(folder)},
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # no thread of ours runs yet
        )
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while "Laddvakt runs" not in (folder / "up.log").read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"`laddvakt up` does not run: {(folder / 'up.log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield folder / "run"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _positions(records: SqlRecords) -> int:
    """Up to where both readers have stored the log."""
    with records.read() as work:
        return min(max(work.positions.get(reader).values(), default=0) for reader in (RECORDS, TELEMETRY))


def _cpu_s(run: Path) -> dict[str, float]:
    pids: dict[str, int] = msgspec.json.decode((run / "processes.json").read_bytes())
    times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    return {name: spent.user + spent.system for name, spent in times.items()}


async def _drive(size: Size, settings: Settings, records: SqlRecords, run: Path) -> _Found:
    log = await EventLog.connect(settings, name="benchmark")
    try:
        address = str(msgspec.json.decode((run / "addresses.json").read_bytes())["stations"])
        now = datetime.now(UTC)
        frames = meter_calls(_FRAMES, now)
        loop = ClosedLoop(frames, start_call(now - timedelta(seconds=_FRAMES + 1)))
        before, begin = _cpu_s(run), time.perf_counter()
        port = int(address.rpartition(":")[2])
        measured = await loop.run(port, size.connections, size.warm_up_s, 2 * size.seconds, lambda: {})
        spoken = time.perf_counter()
        last = await log.last_sequence()
        async with asyncio.timeout(_PATIENCE_S):
            while _positions(records) < last:  # noqa: ASYNC110  # another process gets there
                await asyncio.sleep(0.02)
        end = time.perf_counter()
        spent = {name: value - before[name] for name, value in _cpu_s(run).items()}
    finally:
        await log.close()
    with records.read() as work:
        kept = sum(session.last_reading_at is not None for session in work.sessions.unended())
    return _Found(measured, measured.answered / (end - begin), end - spoken, kept, spent)


def run(size: Size, folder: Path) -> Result:
    """At most two repeats: each starts everything anew."""
    found = []
    for _ in range(min(size.repeats, 2)):
        with tempfile.TemporaryDirectory(dir=folder) as own:
            path = Path(own)
            settings = load_settings(environ=_environment(path))
            records = open_records(settings)
            records.migrate()
            price_everything(records, datetime(2026, 1, 1, tzinfo=UTC))
            try:
                with _up(path) as run_files:
                    found.append(uvloop.run(_drive(size, settings, records, run_files)))
            finally:
                records.close()
    answered = sum(one.measured.answered for one in found)
    cpu = {
        f"{name} cpu us/call": round(1e6 * sum(one.cpu_s[name] for one in found) / answered, 1)
        for name in found[0].cpu_s
        if name != "up"
    }
    accepted = tuple(round(one.measured.per_s, 1) for one in found)
    stored = tuple(round(one.stored_per_s, 1) for one in found)
    behind = {"seconds behind at the end": round(max(one.behind_s for one in found), 2)}
    return Result(
        benchmark="whole_way",
        title=f"The whole way, {size.connections} stations with a session each",
        rows=(
            Row(name=ACCEPTED, unit="MeterValues/s", samples=accepted),
            Row(name=STORED, unit="MeterValues/s", samples=stored, peers=(ACCEPTED,), notes=behind | cpu),
        ),
        asked=sum(one.measured.sent for one in found) + size.connections * len(found),
        counted=answered - sum(one.measured.refused for one in found) + sum(one.energy_seen for one in found),
    )
