"""`laddvakt detector`: event log in; findings, tickets and alerts out."""

from __future__ import annotations

import click

from laddvakt.cli.context import Context
from laddvakt.cli.serve import opened, serve
from laddvakt.clock import utc_now


@click.command(name="detector")
@click.pass_obj
def command(context: Context) -> None:
    """Run the detector: which station or cable is faulty and why; opens tickets and tells people."""
    settings = context.settings()

    async def main() -> None:
        from detector.service import Detector

        async with opened(settings, "detector") as stores:
            await Detector(settings, stores.records, stores.telemetry, stores.log, utc_now).run()

    serve(settings, "detector", main)
