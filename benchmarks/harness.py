"""What every benchmark shares: rows of results, cores, servers in processes of their own."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil

ROOT = Path(__file__).parents[1]


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured. The defaults are those of the published figures."""

    repeats: int = 5
    tries: int = 1  # per repeat of MeterValues; the one that others disturbed least counts
    seconds: float = 2.0  # measured, per repeat
    warm_up_s: float = 0.7
    connections: int = 200  # stations that talk, one outstanding call each
    idle: int = 2000  # stations that are silent
    storm: int = 15_000  # stations that come back at once
    entries: int = 10_000  # recorded in one repeat
    appends: int = 400  # one after the other
    fleet: int = 50_000  # connectors that a forest judges at once
    learners: int = 5000  # connectors that it learns from


SMALL = Size(
    repeats=1,
    seconds=0.3,
    warm_up_s=0.1,
    connections=5,
    idle=20,
    storm=20,
    entries=200,
    appends=10,
    fleet=200,
    learners=12,
)
"""Enough to see that everything runs; its figures say nothing."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table: the samples of all repeats, and the rows of the same run to compare with."""

    name: str
    unit: str
    samples: tuple[float, ...]
    peers: tuple[str, ...] = ()  # names of other rows
    notes: Mapping[str, float] = msgspec.field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one benchmark found. `counted` is the work asked for and the work seen done; they must agree."""

    benchmark: str
    title: str
    rows: tuple[Row, ...]
    asked: int
    counted: int

    def ratio(self, row: Row, peer: str) -> float:
        """`row`'s median in units of its peer's."""
        other = next(other for other in self.rows if other.name == peer)
        return row.median / other.median if other.median else float("nan")


class Cores(NamedTuple):
    """Which core does what. Both None where the machine has one core, or does not let us choose."""

    server: int | None
    load: int | None


def cores() -> Cores:
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)


def pin(core: int | None) -> None:
    """Keeps this process, and what it starts from now on, on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """`pin` for a while."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def busy_s() -> float:
    """Processor time of the whole machine so far, ours and everybody's."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


class Running(NamedTuple):
    """A server under test. `processes` names its processes: `server`, and `log` for an event log beside it."""

    port: int
    processes: dict[str, psutil.Process]

    def cpu_s(self) -> dict[str, float]:
        """Processor time so far."""
        times = {name: process.cpu_times() for name, process in self.processes.items()}
        return {name: spent.user + spent.system for name, spent in times.items()}

    def rss(self) -> int:
        """Resident memory of the server itself, bytes."""
        return int(self.processes["server"].memory_info().rss)


@contextlib.contextmanager
def server(kind: str, core: int | None, folder: Path, **options: Any) -> Iterator[Running]:
    """A server of `benchmarks.servers` in a process of its own, ready for connections."""
    given = msgspec.json.encode({"kind": kind, "folder": str(folder), "core": core, **options}).decode()
    with (folder / f"{kind}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.servers", given],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{kind} did not start: {(folder / f'{kind}.log').read_text()[-2000:]}")
        said = msgspec.json.decode(line)
        yield Running(said["port"], {name: psutil.Process(pid) for name, pid in said["pids"].items()})
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@contextlib.contextmanager
def many_sockets() -> Iterator[int]:
    """As many open files as the system lets us have; how many that is."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        yield most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))


def machine() -> dict[str, Any]:
    """Where and when this was measured."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_before": [round(value, 2) for value in os.getloadavg()],
    }


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(result: Result) -> str:
    """A Markdown table, one line per row."""
    lines = [
        f"### {result.title}",
        "",
        "| | median | lowest .. highest | ratio | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in result.rows:
        spread = f"{_number(min(row.samples))} .. {_number(max(row.samples))}"
        ratios = "; ".join(f"{result.ratio(row, peer):.2f} x {peer}" for peer in row.peers)
        notes = ", ".join(f"{name} {_number(value)}" for name, value in row.notes.items())
        lines.append(f"| {row.name} | {_number(row.median)} {row.unit} | {spread} | {ratios} | {notes} |")
    return "\n".join(lines)


def report(results: Sequence[Result], about: Mapping[str, Any]) -> bytes:
    """Everything as JSON."""
    found = [
        {
            "benchmark": result.benchmark,
            "asked": result.asked,
            "counted": result.counted,
            "rows": [
                {
                    "name": row.name,
                    "unit": row.unit,
                    "median": row.median,
                    "samples": row.samples,
                    "ratios": {peer: result.ratio(row, peer) for peer in row.peers},
                    "notes": row.notes,
                }
                for row in result.rows
            ],
        }
        for result in results
    ]
    return msgspec.json.format(msgspec.json.encode({"machine": about, "results": found}), indent=1)


Benchmark = Callable[[Size, Path], Result]
