"""`laddvakt recorder`: event log in, records and telemetry out."""

from __future__ import annotations

import click

from laddvakt.cli.context import Context
from laddvakt.cli.serve import serve
from laddvakt.clock import utc_now


@click.command(name="recorder")
@click.pass_obj
def command(context: Context) -> None:
    """Run the recorder: event log in; sessions, stations, costs and telemetry out."""
    settings = context.settings()

    async def main() -> None:
        from collector.recorder import Recorder
        from laddvakt.eventlog.client import EventLog
        from laddvakt.stores.sql.engine import open_records
        from laddvakt.stores.telemetry import open_telemetry

        records = open_records(settings)
        records.migrate()
        telemetry = open_telemetry(settings)
        log = await EventLog.connect(settings, name="recorder")
        try:
            await Recorder(settings, records, telemetry, log, utc_now).run()
        finally:
            await log.close()
            telemetry.close()
            records.close()

    serve(settings, "recorder", main)
