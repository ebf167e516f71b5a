"""`laddvakt recorder`: event log in, records and telemetry out."""

from __future__ import annotations

import click

from laddvakt.cli.context import Context
from laddvakt.cli.serve import opened, serve
from laddvakt.clock import utc_now


@click.command(name="recorder")
@click.pass_obj
def command(context: Context) -> None:
    """Run the recorder: event log in; sessions, stations, costs and telemetry out."""
    settings = context.settings()

    async def main() -> None:
        from collector.recorder import Recorder

        async with opened(settings, "recorder") as stores:
            await Recorder(settings, stores.records, stores.telemetry, stores.log, utc_now).run()

    serve(settings, "recorder", main)
