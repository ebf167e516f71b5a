"""`laddvakt import`: a network file into the records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from laddvakt.cli.actor import cli_actor
from laddvakt.cli.context import Context
from laddvakt.cli.records import opened_records
from laddvakt.clock import utc_now
from laddvakt.settings import privacy_key

if TYPE_CHECKING:
    from laddvakt.network import Summary


@click.command(name="import")
@click.argument("network", type=click.Path(path_type=Path), metavar="NETWORK.toml")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.option("--check", is_flag=True, help="Only read and check the file; change nothing.")
@click.pass_obj
def command(context: Context, network: Path, *, as_json: bool, check: bool) -> None:
    """Bring sites, stations, cables, drivers, tokens, tariffs and routes up to NETWORK.toml: all of it or, when
    anything in it is wrong, nothing. Importing a file again changes nothing."""
    from laddvakt.network import apply_network, read_network

    read = read_network(network)
    if check:
        for warning in read.warnings:
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"{network} can be imported.", err=as_json)
        return
    settings = context.settings()
    with opened_records(settings) as records:
        key, actor = privacy_key(settings), cli_actor()
        lists = settings.ocpp.local_list
        summary = apply_network(read, records, privacy_key=key, now=utc_now(), actor=actor, local_lists=lists)
    if as_json:
        click.echo(msgspec.json.encode(summary))
        return
    _show(summary)


def _show(summary: Summary) -> None:
    for warning in summary.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{'':12} {'added':>7} {'changed':>8} {'unchanged':>10}")
    for table, counts in summary.tables.items():
        click.echo(f"{table:12} {counts.added:7} {counts.changed:8} {counts.unchanged:10}")
    if not summary.changed_anything:
        click.echo("Nothing changed.")
