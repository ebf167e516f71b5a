"""`laddvakt log export`: the event log in replay format."""

from __future__ import annotations

import asyncio
import heapq
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click
import msgspec

from laddvakt.cli.context import Context
from laddvakt.domain.times import parse_time
from laddvakt.settings import Settings

if TYPE_CHECKING:
    from laddvakt.domain.entries import Entry

_WINDOW = 20_000  # entries held back to put the log's partitions in the order of time


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    found = parse_time(value) if value else None
    if value and found is None:
        raise click.BadParameter(f"{value!r} is not an RFC 3339 time", ctx=ctx, param=param)
    return found


async def _export(
    settings: Settings,
    station: str | None,
    since: datetime | None,
    to: datetime | None,
    write: Callable[[bytes], object],
) -> int:
    from collector.replaylog import lines_of
    from laddvakt.eventlog.client import EventLog

    log = await EventLog.connect(settings, name="export")
    waiting: list[tuple[datetime, int, Entry]] = []
    lines = 0

    def put(entry: Entry) -> int:
        made = list(lines_of(entry))
        for line in made:
            write(msgspec.json.encode(line) + b"\n")
        return len(made)

    try:
        number = 0
        async for entry in log.history():
            wanted = (
                (station is None or entry.station_id == station)
                and (since is None or entry.received_at >= since)
                and (to is None or entry.received_at < to)
            )
            if wanted:
                number += 1
                heapq.heappush(waiting, (entry.received_at, number, entry))
            if len(waiting) > _WINDOW:
                lines += put(heapq.heappop(waiting)[2])
        while waiting:
            lines += put(heapq.heappop(waiting)[2])
    finally:
        await log.close()
    return lines


@click.group(name="log")
def command() -> None:
    """The event log."""


@command.command(name="export")
@click.option("--station", metavar="ID", help="Only this station.")
@click.option("--from", "since", metavar="TIME", callback=_time, help="Received at or after (RFC 3339).")
@click.option("--to", metavar="TIME", callback=_time, help="Received before (RFC 3339).")
@click.pass_obj
def export(context: Context, station: str | None, since: datetime | None, to: datetime | None) -> None:
    """Write the entries that the log holds to standard output, in replay format (JSON Lines)."""
    stream = sys.stdout.buffer
    lines = asyncio.run(_export(context.settings(), station, since, to, stream.write))
    stream.flush()
    click.echo(f"{lines} lines.", err=True)
