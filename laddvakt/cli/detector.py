"""`laddvakt detector`: event log in; findings, tickets and alerts out."""

from __future__ import annotations

import click

from laddvakt.cli.context import Context
from laddvakt.cli.serve import serve
from laddvakt.clock import utc_now


@click.command(name="detector")
@click.pass_obj
def command(context: Context) -> None:
    """Run the detector: which station or cable is faulty and why; opens tickets and tells people."""
    settings = context.settings()

    async def main() -> None:
        from detector.service import Detector
        from laddvakt.eventlog.client import EventLog
        from laddvakt.stores.sql.engine import open_records
        from laddvakt.stores.telemetry import open_telemetry

        records = open_records(settings)
        records.migrate()
        telemetry = open_telemetry(settings)
        log = await EventLog.connect(settings, name="detector")
        try:
            await Detector(settings, records, telemetry, log, utc_now).run()
        finally:
            await log.close()
            telemetry.close()
            records.close()

    serve(settings, "detector", main)
