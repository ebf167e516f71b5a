"""A fleet on virtual time, written as a replay log with the ground truth of its faults.

A plain central system answers every station at once, so the log holds both directions. The same options give the
same bytes.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from simulator.world import Line, LogOptions, World

__all__ = ["LogOptions", "LogSummary", "write_log"]

_FIELDS = {
    "connected": ("station_id", "kind", "protocol"),
    "disconnected": ("station_id", "kind"),
    "ocpp": ("station_id", "kind", "direction", "frame"),
    "mqtt": ("kind", "topic"),
}
_encoder = msgspec.json.Encoder()


class LogSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    stations: int
    lines: int
    faults: int
    look_alikes: int


def line_bytes(line: Line) -> bytes:
    """A line of the replay log, with its end."""
    fields: dict[str, Any] = {"received_at": line.received_at}
    for name in _FIELDS[line.kind]:
        fields[name] = getattr(line, name)
    if line.kind == "mqtt":
        fields["payload"] = _encoder.encode(line.payload).decode()
    return _encoder.encode(fields) + b"\n"


def write_log(options: LogOptions, out: Path, truth: Path) -> LogSummary:
    """Writes the log (packed when its name ends in `.gz`) and its ground truth."""
    world, lines = World(options), 0
    with _open(out) as file:
        for line in world.lines():
            file.write(line_bytes(line))
            lines += 1
    truth.write_text(json.dumps(world.truth(), indent=1) + "\n", "utf-8")
    return LogSummary(
        stations=len(world.specs), lines=lines, faults=len(world.plans), look_alikes=len(world.likes)
    )


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    if path.suffix != ".gz":
        with path.open("wb") as file:
            yield file
        return
    # No name and no time in the header: the same options give the same bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
    ):
        yield cast("IO[bytes]", packed)
