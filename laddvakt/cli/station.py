"""`laddvakt station`: what is done to stations beside plain commands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from laddvakt.cli.actor import cli_actor
from laddvakt.cli.context import Context
from laddvakt.cli.records import opened_records
from laddvakt.clock import utc_now
from laddvakt.domain.errors import ConflictError, NotFoundError
from laddvakt.settings import Settings

if TYPE_CHECKING:
    from laddvakt.domain.commands import CommandResult


@click.group(name="station")
def command() -> None:
    """Stations and their passwords."""


@command.command(name="rotate-password")
@click.argument("stations", nargs=-1, required=True, metavar="STATION...")
@click.option("--again", is_flag=True, help="Also where the last new password was never shown: it is forgotten.")
@click.pass_obj
def rotate_password(context: Context, stations: tuple[str, ...], *, again: bool) -> None:
    """Tell each STATION a new random password for HTTP Basic.

    Old and new both count until the station has shown the new one. Nobody gets to see either. Exit status 1 when a
    station did not accept."""
    refused = asyncio.run(_rotate(context.settings(), stations, again))
    if refused:
        raise SystemExit(1)


async def _rotate(settings: Settings, stations: tuple[str, ...], again: bool) -> int:
    """One after the other; how many did not accept."""
    from dashboard.rotation import rotate_password as rotate
    from laddvakt.eventlog.client import EventLog

    refused = 0
    with opened_records(settings) as records:
        log = await EventLog.connect(settings, name="station")
        try:
            for station_id in stations:
                try:
                    result = await rotate(
                        records, log.commands, utc_now, station_id=station_id, actor=cli_actor(), again=again
                    )
                except (NotFoundError, ConflictError) as error:
                    click.echo(f"{station_id}: {error}", err=True)
                    refused += 1
                    continue
                click.echo(f"{station_id}: {_told(result)}", err=result.status != "accepted")
                refused += result.status != "accepted"
        finally:
            await log.close()
    return refused


def _told(result: CommandResult) -> str:
    if result.answer is not None:
        return f"{result.status} ({result.answer})"
    return f"{result.status}: {result.error.code if result.error else result.detail}"
