"""`laddvakt collector`: OCPP and MQTT in, event log out."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

import click

from laddvakt.cli.children import collector_services, station_address
from laddvakt.cli.context import Context
from laddvakt.cli.serve import serve
from laddvakt.cli.supervisor import Child, keep_together
from laddvakt.clock import utc_now
from laddvakt.settings import Settings


def _allow_many_sockets() -> None:
    """One per station: as many as the system lets a process have; most systems start it with a thousand."""
    with suppress(ValueError, OSError):  # no more than before, then
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _one(settings: Settings, number: int) -> None:
    from collector.service import Collector, collector_name
    from laddvakt.eventlog.client import EventLog
    from laddvakt.memory import collect_rarely
    from laddvakt.stores.sql.engine import open_records

    _allow_many_sockets()
    collect_rarely()
    records = open_records(settings)
    log = await EventLog.connect(settings, name=collector_name(number))
    try:
        await Collector(settings, records, log, utc_now, number=number).run()
    finally:
        await log.close()
        records.close()


@click.command(name="collector")
@click.option(
    "--number",
    type=click.IntRange(1, 64),
    help="Run only this one of the `ocpp.processes` collectors of this machine.",
)
@click.pass_obj
def command(context: Context, number: int | None) -> None:
    """Run the collector: stations over OCPP and devices over MQTT in, event log out."""
    from collector.service import collector_name

    settings = context.settings()
    if number is not None or settings.ocpp.processes == 1:
        number = number or 1
        serve(settings, collector_name(number), lambda: _one(settings, number))
        return
    environment = {
        **os.environ,
        "LADDVAKT_DATA_DIR": str(settings.data_dir.absolute()),
        "LADDVAKT_OCPP__LISTEN": station_address(settings),
    }
    services = collector_services(settings.ocpp, context.config, environment)
    children = [Child(service, lambda name, pid: None) for service in services]
    serve(settings, "collectors", lambda: keep_together(children))
