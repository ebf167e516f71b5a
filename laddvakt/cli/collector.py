"""`laddvakt collector`: OCPP and MQTT in, event log out."""

from __future__ import annotations

import click

from laddvakt.cli.context import Context
from laddvakt.cli.serve import serve
from laddvakt.clock import utc_now


@click.command(name="collector")
@click.pass_obj
def command(context: Context) -> None:
    """Run the collector: stations over OCPP and devices over MQTT in, event log out."""
    settings = context.settings()

    async def main() -> None:
        from collector.service import Collector
        from laddvakt.eventlog.client import EventLog
        from laddvakt.stores.sql.engine import open_records

        records = open_records(settings)
        log = await EventLog.connect(settings, name="collector")
        try:
            await Collector(settings, records, log, utc_now).run()
        finally:
            await log.close()
            records.close()

    serve(settings, "collector", main)
