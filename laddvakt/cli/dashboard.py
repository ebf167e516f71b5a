"""`laddvakt dashboard`: pages, REST API and server push."""

from __future__ import annotations

import click

from laddvakt.cli.context import Context
from laddvakt.cli.serve import serve


@click.command(name="dashboard")
@click.pass_obj
def command(context: Context) -> None:
    """Run the pages and the REST API."""
    settings = context.settings()

    async def main() -> None:
        from dashboard.service import run

        await run(settings)

    serve(settings, "dashboard", main)
