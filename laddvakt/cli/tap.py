"""`laddvakt tap`: stations keep their central system, Laddvakt listens."""

from __future__ import annotations

import click

from laddvakt.cli.context import Context
from laddvakt.cli.serve import serve
from laddvakt.clock import utc_now


@click.command(name="tap")
@click.pass_obj
def command(context: Context) -> None:
    """Run the tap: forward stations to their own central system byte for byte, and observe what is said."""
    settings = context.settings()

    async def main() -> None:
        from collector.tap.service import Tap

        await Tap(settings, utc_now).run()

    serve(settings, "tap", main)
