"""The servers under test, each in a process of its own: `python -m benchmarks.servers '{"kind": ...}'`.

Prints one line of JSON when it listens: its port, and the processes that it consists of. Ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from benchmarks.harness import pin
from benchmarks.load import names
from laddvakt.eventlog.server import die_with_parent


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the harness asks for."""

    kind: str
    folder: str
    core: int | None = None
    loop: str = "uvloop"
    log_core: int | None = None  # where nats-server goes, if not with us
    validation_in_thread: bool = True
    deflate: bool = False
    stations: int = 0  # registered ones
    upstream: int = 0  # port of the central system behind a tap


Stop = asyncio.Event


def _say(port: int, **others: int) -> None:
    print(json.dumps({"port": port, "pids": {"server": os.getpid(), **others}}), flush=True)


async def _until_closed(
    handler: Callable[[ServerConnection], Awaitable[None]], stop: Stop, *, deflate: bool
) -> None:
    async def handle(connection: ServerConnection) -> None:
        try:
            await handler(connection)
        except ConnectionClosed:
            return

    options: dict[str, Any] = {} if deflate else {"compression": None}
    async with serve(handle, "127.0.0.1", 0, subprotocols=["ocpp1.6"], **options) as server:  # type: ignore[list-item]  # a NewType of str
        _say(next(iter(server.sockets)).getsockname()[1])
        await stop.wait()


async def echo(given: Given, stop: Stop) -> None:
    """Bare `websockets`: what comes in goes out."""

    async def handler(connection: ServerConnection) -> None:
        while True:
            await connection.send(await connection.recv())

    await _until_closed(handler, stop, deflate=given.deflate)


async def answer(given: Given, stop: Stop) -> None:
    """A central system of no thoughts: an empty CALLRESULT for each CALL."""

    async def handler(connection: ServerConnection) -> None:
        while True:
            _, unique_id, *_ = msgspec.json.decode(await connection.recv())
            await connection.send(f'[3,"{unique_id}",{{}}]')

    await _until_closed(handler, stop, deflate=given.deflate)


async def tap(given: Given, stop: Stop) -> None:
    """Laddvakt's tap, with an embedded event log that syncs every write."""
    from collector.tap.service import Tap
    from laddvakt.clock import utc_now
    from laddvakt.eventlog.server import EmbeddedServer
    from laddvakt.settings import MqttSettings, Settings, TapSettings

    settings = Settings(
        data_dir=Path(given.folder),
        mqtt=MqttSettings(listen="127.0.0.1:0"),
        tap=TapSettings(listen="127.0.0.1:0", upstream=f"ws://127.0.0.1:{given.upstream}"),
    )
    own = os.sched_getaffinity(0) if given.log_core is not None else set()
    pin(given.log_core)
    events = EmbeddedServer(settings)
    await events.start()
    if own:
        os.sched_setaffinity(0, own)
    service = Tap(settings, utc_now)
    running = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(30):
            while not service.serving:  # noqa: ASYNC110  # it says no more than that
                await asyncio.sleep(0.01)
        gc.collect()
        _say(service.port, log=events.pid or 0)
        await stop.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await events.stop()


async def ocpp(given: Given, stop: Stop) -> None:
    """A central system on the `ocpp` package, as its documentation shows one, but without a log line per
    message: both schemas are checked, nothing is kept."""
    import ocpp.messages
    from ocpp.routing import on
    from ocpp.v16 import ChargePoint, call_result
    from ocpp.v16.enums import Action

    ocpp.messages.ASYNC_VALIDATION = given.validation_in_thread

    class CentralSystem(ChargePoint):  # type: ignore[misc]  # the package has no types
        @on(Action.meter_values)  # type: ignore[untyped-decorator]  # the same
        def on_meter_values(self, connector_id: int, meter_value: list[Any], **rest: Any) -> Any:
            return call_result.MeterValues()

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        await CentralSystem(connection.request.path.strip("/"), connection).start()

    await _until_closed(handler, stop, deflate=given.deflate)


async def collector(given: Given, stop: Stop) -> None:
    """Laddvakt's own, with an embedded event log that syncs every write."""
    from collector.service import Collector
    from laddvakt.clock import utc_now
    from laddvakt.domain.stations import Station
    from laddvakt.eventlog.client import EventLog
    from laddvakt.eventlog.server import EmbeddedServer
    from laddvakt.memory import collect_rarely
    from laddvakt.settings import MqttSettings, OcppSettings, Settings
    from laddvakt.stores.sql.engine import open_records

    settings = Settings(
        data_dir=Path(given.folder),
        ocpp=OcppSettings(listen="127.0.0.1:0", unknown_stations="accept"),
        mqtt=MqttSettings(listen="127.0.0.1:0"),
    )
    own = os.sched_getaffinity(0) if given.log_core is not None else set()
    pin(given.log_core)
    events = EmbeddedServer(settings)
    await events.start()
    if own:
        os.sched_setaffinity(0, own)
    collect_rarely()
    records = open_records(settings)
    records.migrate()
    with records.begin() as work:
        work.stations.save(Station(station_id=name, registered=True) for name in names(given.stations))
    log = await EventLog.connect(settings, name="collector")
    service = Collector(settings, records, log, utc_now)
    running = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(30):
            while service.mqtt is None:  # noqa: ASYNC110  # it is started last, and says no more than that
                await asyncio.sleep(0.01)
        gc.collect()
        _say(service.server.port, log=events.pid or 0)
        await stop.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await log.close()
        records.close()
        await events.stop()


KINDS = {"echo": echo, "answer": answer, "ocpp": ocpp, "collector": collector, "tap": tap}


async def _serve(given: Given) -> None:
    stop = Stop()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await KINDS[given.kind](given, stop)


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    given = msgspec.json.decode(sys.argv[1], type=Given)
    die_with_parent()
    pin(given.core)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.loop == "uvloop":
        uvloop.run(_serve(given))
    else:
        asyncio.run(_serve(given))


if __name__ == "__main__":
    main()
