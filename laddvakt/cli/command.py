"""`laddvakt command`: any OCPP command to a station, and its answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from laddvakt.cli.actor import cli_actor
from laddvakt.cli.context import Context
from laddvakt.cli.records import opened_records
from laddvakt.clock import utc_now
from laddvakt.settings import Settings

if TYPE_CHECKING:
    from laddvakt.domain.commands import CommandResult


@click.command(name="command")
@click.argument("station")
@click.argument("action")
@click.argument("payload", required=False, default="{}", metavar="[JSON|@FILE]")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0, 3600, min_open=True), help="Seconds to wait.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of the command as JSON.")
@click.pass_obj
def command(
    context: Context, station: str, action: str, payload: str, timeout_s: float | None, *, as_json: bool
) -> None:
    """Send the OCPP command ACTION to STATION and print the station's answer.

    The payload is JSON, or @FILE with JSON; it is checked by the official schema of the station's version. Exit
    status 0 when the station accepted, 1 otherwise."""
    result = asyncio.run(_send(context.settings(), station, action, _payload(payload), timeout_s))
    if as_json:
        click.echo(msgspec.json.encode(result))
    elif result.answer is not None:
        click.echo(f"{result.status}: {json.dumps(result.answer, ensure_ascii=False)}")
    elif result.error is not None:
        click.echo(f"{result.status}: {result.error.code} {result.error.description}".rstrip(), err=True)
    else:
        click.echo(f"{result.status}: {result.detail}", err=True)
    if result.status != "accepted":
        raise SystemExit(1)


def _payload(text: str) -> dict[str, Any]:
    try:
        read = json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except (OSError, ValueError, RecursionError) as error:
        raise click.BadParameter(str(error), param_hint="JSON") from error
    if not isinstance(read, dict):
        raise click.BadParameter('an object, such as {"type": "Soft"}', param_hint="JSON")
    return read


async def _send(
    settings: Settings, station: str, action: str, payload: dict[str, Any], timeout_s: float | None
) -> CommandResult:
    from dashboard.commands import send
    from laddvakt.eventlog.client import EventLog

    with opened_records(settings) as records:
        log = await EventLog.connect(settings, name="command")
        try:
            return await send(
                records,
                log.commands,
                utc_now,
                station_id=station,
                action=action,
                payload=payload,
                actor=cli_actor(),
                timeout_s=timeout_s,
            )
        finally:
            await log.close()
