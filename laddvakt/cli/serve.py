"""What every service command shares: logging, the event loop, stopping cleanly on SIGTERM and Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from laddvakt.domain.errors import LaddvaktError
from laddvakt.memory import collect_rarely
from laddvakt.settings import Settings

if TYPE_CHECKING:
    from laddvakt.eventlog.client import EventLog
    from laddvakt.stores.ports import Records, Telemetry

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(service)s: %(message)s"


def set_up_logging(settings: Settings, service: str) -> None:
    """To stderr, one line each, with the service's name. Libraries that chat are kept to warnings."""
    handler = logging.StreamHandler(sys.stderr)

    def name_service(record: logging.LogRecord) -> bool:
        record.service = service
        return True

    handler.addFilter(name_service)
    handler.setFormatter(logging.Formatter(LOG_FORMAT, "%H:%M:%S"))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for chatty in ("websockets", "nats", "uvicorn.access", "alembic", "apprise"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def serve(settings: Settings, service: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a service until it ends or is told to stop. A LaddvaktError goes up to the command line."""
    set_up_logging(settings, service)
    collect_rarely()
    settings.data_dir.mkdir(parents=True, exist_ok=True)

    async def until_stopped() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(main())
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            logging.getLogger(__name__).info("stopped")

    try:
        if os.name == "posix":
            import uvloop

            uvloop.run(until_stopped())
        else:
            asyncio.run(until_stopped())
    except* LaddvaktError as group:
        raise first_error(group) from group


def first_error(group: BaseExceptionGroup[LaddvaktError]) -> LaddvaktError:
    """The first expected failure in a group of a task group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, LaddvaktError)  # noqa: S101  # the group holds nothing else
    return error


class Stores(NamedTuple):
    """What a service that reads the log and writes stores is given."""

    records: Records
    telemetry: Telemetry
    log: EventLog


@asynccontextmanager
async def opened(settings: Settings, name: str) -> AsyncIterator[Stores]:
    """Records (schema up to date), telemetry and event log of a service, closed in the end."""
    from laddvakt.eventlog.client import EventLog
    from laddvakt.stores.sql.engine import open_records
    from laddvakt.stores.telemetry import open_telemetry

    with ExitStack() as stack:
        records = open_records(settings)
        stack.callback(records.close)
        records.migrate()
        telemetry = open_telemetry(settings)
        stack.callback(telemetry.close)
        log = await EventLog.connect(settings, name=name)
        try:
            yield Stores(records, telemetry, log)
        finally:
            await log.close()
