"""MeterValues with eight sampled values, per second on one core: bare echo, the `ocpp` package, Laddvakt."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks.harness import Result, Row, Running, Size, cores, pinned, server
from benchmarks.load import ClosedLoop, Measured, meter_calls

ECHO = "`websockets` echo"
OCPP = "`ocpp` server"
FRAMES = 512
QUIET = 0.1
"""Of one core, used by others: below this a try counts at once."""


class Target(NamedTuple):
    """One server, and what is told to it."""

    name: str
    kind: str
    options: dict[str, Any]
    peers: tuple[str, ...]


def targets() -> list[Target]:
    load = cores().load
    return [
        Target(ECHO, "echo", {"loop": "uvloop"}, (OCPP,)),
        Target("`websockets` echo, asyncio", "echo", {"loop": "asyncio"}, (ECHO,)),
        Target(OCPP, "ocpp", {"loop": "asyncio"}, (ECHO,)),
        Target("`ocpp` server, uvloop, no thread", "ocpp", {"validation_in_thread": False}, (ECHO, OCPP)),
        Target("Laddvakt, log on the other core", "collector", {"log_core": load}, (ECHO, OCPP)),
        Target("Laddvakt, log on the same core", "collector", {}, (ECHO, OCPP)),
    ]


def _once(target: Target, size: Size, folder: Path, frames: list[bytes]) -> Measured:
    async def load(running: Running) -> Measured:
        loop = ClosedLoop(frames)
        return await loop.run(running.port, size.connections, size.warm_up_s, size.seconds, running.cpu_s)

    with (
        tempfile.TemporaryDirectory(dir=folder) as own,
        server(target.kind, cores().server, Path(own), **target.options) as running,
        pinned(cores().load),
    ):
        return uvloop.run(load(running))


def _undisturbed(target: Target, size: Size, folder: Path, frames: list[bytes]) -> tuple[Measured, list[Measured]]:
    """The try that counts, and all of them."""
    tries: list[Measured] = []
    while len(tries) < size.tries and not any(one.others_cpu < QUIET for one in tries):
        tries.append(_once(target, size, folder, frames))
    return min(tries, key=lambda one: one.others_cpu), tries


def _row(target: Target, found: list[Measured]) -> Row:
    def middle(values: list[float], digits: int = 0) -> float:
        return round(statistics.median(values), digits)

    notes = {
        "p50 ms": middle([one.p50_ms for one in found], 1),
        "p99 ms": middle([one.p99_ms for one in found], 1),
    }
    notes["server cpu us/call"] = middle([1e6 * one.server_cpu["server"] / one.per_s for one in found], 1)
    for name in found[0].server_cpu:
        notes[f"{name} cpu %"] = middle([100 * one.server_cpu[name] for one in found])
    notes["load cpu %"] = middle([100 * one.load_cpu for one in found])
    notes["others' cpu %"] = middle([100 * one.others_cpu for one in found])
    return Row(
        name=target.name,
        unit="calls/s",
        samples=tuple(round(one.per_s, 1) for one in found),
        peers=target.peers,
        notes=notes,
    )


def run(size: Size, folder: Path) -> Result:
    """The targets take turns, so that a busy moment of the machine does not hit one of them alone."""
    frames = meter_calls(FRAMES)
    chosen = targets()
    found: dict[str, list[Measured]] = {target.name: [] for target in chosen}
    everything: list[Measured] = []
    for _ in range(size.repeats):
        for target in chosen:
            best, tries = _undisturbed(target, size, folder, frames)
            found[target.name].append(best)
            everything += tries
    return Result(
        benchmark="meter_values",
        title=f"MeterValues calls on one core, {size.connections} stations",
        rows=tuple(_row(target, found[target.name]) for target in chosen),
        asked=sum(one.sent for one in everything),
        counted=sum(one.answered - one.refused for one in everything),
    )
