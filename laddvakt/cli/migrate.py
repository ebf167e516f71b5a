"""`laddvakt migrate`: the records' schema up to date. Services that write do it at their start as well."""

from __future__ import annotations

import click

from laddvakt.cli.context import Context


@click.command(name="migrate")
@click.pass_obj
def command(context: Context) -> None:
    """Bring the records' schema up to date. Safe to repeat, and to run from several places at once."""
    from laddvakt.stores.sql.engine import open_records

    settings = context.settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    records = open_records(settings)
    try:
        records.migrate()
    finally:
        records.close()
    click.echo("The records' schema is up to date.")
