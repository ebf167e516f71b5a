"""Memory of a connection that says nothing, in the server's own process. The kernel's buffers are not in it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks.harness import Result, Row, Running, Size, cores, many_sockets, pinned, server
from benchmarks.load import Station, connect

BARE = "`websockets`, bare"
_SETTLE_S = 0.5


class _Target(NamedTuple):
    name: str
    kind: str
    loop: str
    deflate: bool


TARGETS = (
    _Target(BARE, "echo", "uvloop", False),
    _Target("`websockets`, bare, with compression", "echo", "uvloop", True),
    _Target("`ocpp` server", "ocpp", "asyncio", False),
    _Target("Laddvakt", "collector", "uvloop", False),
)


def _silent(station: Station, text: bytes) -> None:
    raise RuntimeError(f"a server spoke unasked: {text!r}")


async def _grown(running: Running, target: _Target, count: int) -> tuple[float, int]:
    """Bytes per connection, and how many connections stood."""
    first = await connect(running.port, 10, _silent, deflate=target.deflate, since=count)  # everything is loaded
    await asyncio.sleep(_SETTLE_S)
    before = running.rss()
    stations = await connect(running.port, count, _silent, deflate=target.deflate)
    await asyncio.sleep(_SETTLE_S)
    per_connection = (running.rss() - before) / count
    standing = sum(not station.lost for station in stations)
    for station in (*first, *stations):
        station.close()
    return per_connection, standing


def run(size: Size, folder: Path) -> Result:
    """Each target once per repeat, at most three: memory hardly varies."""
    repeats = min(size.repeats, 3)
    found: dict[str, list[float]] = {target.name: [] for target in TARGETS}
    counted = 0
    with many_sockets():
        for target in TARGETS * repeats:
            with (
                tempfile.TemporaryDirectory(dir=folder) as own,
                server(
                    target.kind,
                    cores().server,
                    Path(own),
                    loop=target.loop,
                    deflate=target.deflate,
                    log_core=cores().load,
                ) as running,
                pinned(cores().load),
            ):
                grown, standing = uvloop.run(_grown(running, target, size.idle))
            found[target.name].append(round(grown / 1024, 2))
            counted += standing
    rows = tuple(
        Row(name=name, unit="KiB", samples=tuple(samples), peers=() if name == BARE else (BARE,))
        for name, samples in found.items()
    )
    return Result(
        benchmark="idle_connections",
        title=f"Memory of an idle connection, {size.idle} of them",
        rows=rows,
        asked=size.idle * repeats * len(TARGETS),
        counted=counted,
    )
