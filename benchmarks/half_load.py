"""How soon replies come at half of what the collector can do on one core, calls coming at an even pace."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks.harness import Result, Row, Running, Size, cores, pinned, server
from benchmarks.load import ClosedLoop, Measured, OpenLoop, Paced, meter_calls

GOAL_P99_MS = 50.0


class _Found(NamedTuple):
    most: Measured
    half: Paced


async def _measure(running: Running, size: Size, frames: list[bytes]) -> _Found:
    most = await ClosedLoop(frames).run(
        running.port, size.connections, size.warm_up_s, size.seconds, running.cpu_s
    )
    half = await OpenLoop(frames).run(
        running.port, size.connections, most.per_s / 2, size.warm_up_s, 2 * size.seconds
    )
    return _Found(most, half)


def _row(name: str, unit: str, samples: list[float], **notes: float) -> Row:
    return Row(name=name, unit=unit, samples=tuple(round(value, 2) for value in samples), notes=notes)


def run(size: Size, folder: Path) -> Result:
    """Most and half are measured one after the other in the same process, event log on the same core."""
    frames = meter_calls(512)
    found: list[_Found] = []
    for _ in range(size.repeats):
        with (
            tempfile.TemporaryDirectory(dir=folder) as own,
            server("collector", cores().server, Path(own)) as running,
            pinned(cores().load),
        ):
            found.append(uvloop.run(_measure(running, size, frames)))
    p50 = round(statistics.median(one.half.p50_ms for one in found), 2)
    return Result(
        benchmark="half_load",
        title=f"Replies at half load, {size.connections} stations",
        rows=(
            _row("most", "calls/s", [one.most.per_s for one in found]),
            _row("half of it", "calls/s", [one.half.per_s for one in found]),
            _row(
                "99th percentile of a reply at half load",
                "ms",
                [one.half.p99_ms for one in found],
                **{"p50 ms": p50, "goal ms": GOAL_P99_MS},
            ),
        ),
        asked=sum(one.most.sent + one.half.sent for one in found),
        counted=sum(one.most.answered + one.half.answered - one.most.refused - one.half.refused for one in found),
    )
