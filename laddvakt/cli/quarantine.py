"""`laddvakt quarantine`: messages that were set aside; have them read again after a fix, or dismiss them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click
import msgspec

from laddvakt.cli.actor import cli_actor
from laddvakt.cli.context import Context
from laddvakt.cli.records import opened_records
from laddvakt.clock import utc_now
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.domain.times import rfc3339
from laddvakt.settings import Settings

if TYPE_CHECKING:
    from dashboard.quarantine import Which
    from laddvakt.eventlog.client import EventLog
    from laddvakt.stores.ports import QuarantineItem, Records

_REASONS = click.Choice([reason.value for reason in QuarantineReason])
_RAW_SHOWN = 200  # characters


@click.group(name="quarantine")
def command() -> None:
    """Messages that were set aside."""


@command.command(name="list")
@click.option("--reason", type=_REASONS, help="Only this reason.")
@click.option("--station", "station_id", help="Only this station.")
@click.option("--state", type=click.Choice([state.value for state in QuarantineState]), default="open")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, messages whole.")
@click.pass_obj
def show(
    context: Context, reason: str | None, station_id: str | None, state: str, limit: int, *, as_json: bool
) -> None:
    """Print them, newest first."""
    with opened_records(context.settings()) as records, records.read() as work:
        page = work.quarantine.page(
            reason=QuarantineReason(reason) if reason else None,
            station_id=station_id,
            state=QuarantineState(state),
            limit=limit,
        )
    for item in page.items:
        click.echo(msgspec.json.encode(item).decode() if as_json else _line(item))
    if page.next is not None:
        click.echo(f"There are more than {limit}.", err=True)


@command.command(name="reprocess")
@click.argument("items", nargs=-1, metavar="[ID]...")
@click.option("--reason", type=_REASONS, help="All open ones of this reason.")
@click.option("--station", "station_id", help="All open ones of this station.")
@click.option("--all", "everything", is_flag=True, help="All open ones.")
@click.pass_obj
def reprocess(
    context: Context, items: tuple[str, ...], reason: str | None, station_id: str | None, *, everything: bool
) -> None:
    """Have them read again by a running collector, at most 1000 at once. Exit status 0 when all took effect, 1
    when some are still refused."""
    which = _which(items, reason, station_id, everything=everything)
    if not asyncio.run(_reprocess(context.settings(), items, which)):
        raise SystemExit(1)


@command.command(name="dismiss")
@click.argument("items", nargs=-1, metavar="[ID]...")
@click.option("--reason", type=_REASONS, help="All open ones of this reason.")
@click.option("--station", "station_id", help="All open ones of this station.")
@click.option("--comment", default="", help="Why nothing is to be done.")
@click.pass_obj
def dismiss(
    context: Context, items: tuple[str, ...], reason: str | None, station_id: str | None, comment: str
) -> None:
    """Nothing is to be done about them."""
    from dashboard import quarantine

    which = _which(items, reason, station_id, everything=False)
    actor = cli_actor()
    with opened_records(context.settings()) as records:
        for item_id in items:
            quarantine.dismiss(records, utc_now, item_id=item_id, actor=actor, comment=comment)
        done = len(items)
        if which is not None:
            done = quarantine.dismiss_all(records, utc_now, which=which, actor=actor, comment=comment).settled
    click.echo(f"{done} dismissed.")


def _which(
    items: tuple[str, ...], reason: str | None, station_id: str | None, *, everything: bool
) -> Which | None:
    """The filter, where no items are named. Raises UsageError for both, or neither."""
    from dashboard.quarantine import Which

    filtered = bool(reason or station_id or everything)
    if bool(items) == filtered:
        raise click.UsageError("name items, or say which by --reason or --station")
    return Which(reason=QuarantineReason(reason) if reason else None, station_id=station_id) if filtered else None


async def _reprocess(settings: Settings, items: tuple[str, ...], which: Which | None) -> bool:
    from dashboard import quarantine
    from laddvakt.eventlog.client import EventLog

    actor = cli_actor()
    with opened_records(settings) as records:
        log = await EventLog.connect(settings, name="quarantine")
        try:
            if which is not None:
                done = await quarantine.reprocess_all(records, log.reprocessing, utc_now, which=which, actor=actor)
                click.echo(
                    f"{done.settled} of {done.asked} took effect." + (" There are more." if done.more else "")
                )
                return done.still_open == 0
            found = [await _one(records, log, item_id, actor) for item_id in items]
        finally:
            await log.close()
    return all(item.state is not QuarantineState.OPEN for item in found)


async def _one(records: Records, log: EventLog, item_id: str, actor: str) -> QuarantineItem:
    from dashboard import quarantine

    item = await quarantine.reprocess(records, log.reprocessing, utc_now, item_id=item_id, actor=actor)
    open_still = item.state is QuarantineState.OPEN
    became = f"still set aside: {item.reason}: {item.detail}" if open_still else f"{item.state}: {item.outcome}"
    click.echo(f"{item_id} {became}")
    return item


def _line(item: QuarantineItem) -> str:
    raw = item.raw if len(item.raw) <= _RAW_SHOWN else item.raw[:_RAW_SHOWN] + "…"
    said = f"{item.item_id} {rfc3339(item.received_at)} {item.station_id} {item.reason}: {item.detail}"
    return f"{said}\n    {raw!r}" + (f"\n    {item.state}: {item.outcome}" if item.outcome else "")
