"""`laddvakt up`: everything on this machine, supervised."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from laddvakt.cli.children import collector_services, fixed_address, laddvakt, station_address
from laddvakt.cli.context import Context
from laddvakt.cli.serve import serve
from laddvakt.cli.supervisor import Child, Service, keep_event_log, keep_together, stop_in_order
from laddvakt.clock import utc_now
from laddvakt.domain.errors import SettingsError
from laddvakt.eventlog.address import EMBEDDED, mqtt_url
from laddvakt.settings import Settings, load_settings, split_address

logger = logging.getLogger(__name__)

DEMO_ENVIRONMENT = {
    "LADDVAKT_DEMO": "true",
    "LADDVAKT_CURRENCY": "SEK",
    "LADDVAKT_TIMEZONE": "Europe/Stockholm",
}


@contextmanager
def _sole_owner(settings: Settings) -> Iterator[None]:
    """One `up` per data directory. Raises SettingsError when another one holds it."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    with (settings.run_dir / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"another `laddvakt up` runs on {settings.data_dir}.", mend="Stop it, or choose another --data."
            ) from error
        yield


def _environment(settings: Settings) -> dict[str, str]:
    """What every child is given: this run's data directory and fixed addresses on top of our own environment."""
    given = {
        "LADDVAKT_DATA_DIR": str(settings.data_dir.absolute()),
        "LADDVAKT_OCPP__LISTEN": station_address(settings),
        "LADDVAKT_WEB__LISTEN": fixed_address(settings.web.listen, "web.listen"),
    }
    if settings.tap.listen:
        given["LADDVAKT_TAP__LISTEN"] = fixed_address(settings.tap.listen, "tap.listen")
    return {**os.environ, **given}


def _services(
    settings: Settings, config: Path | None, environment: dict[str, str], demo: int | None
) -> list[list[Service]]:
    """In the order of their start; those of one group start and stop together."""

    def one(name: str) -> list[Service]:
        return [Service(name=name, argv=laddvakt(config, name), environment=environment)]

    collectors = collector_services(settings.ocpp, config, environment)
    tap = [one("tap")] if settings.tap.listen else []
    services = [one("recorder"), collectors, *tap, one("detector"), one("dashboard")]
    if demo is not None:
        listen = environment["LADDVAKT_OCPP__LISTEN"]
        services.append([_simulator(demo, listen, mqtt_url(settings), environment)])
    return services


def _simulator(stations: int, listen: str, mqtt: str | None, environment: dict[str, str]) -> Service:
    argv = [sys.executable, "-m", "laddvakt.cli", "simulate", "--demo", "--url", f"ws://{listen}"]
    argv += ["--stations", str(stations), "--faults", "0.08"]
    argv += ["--ocpp", "1.6", "--ocpp", "2.0.1", "--ocpp", "1.6", "--ocpp", "2.1"]
    if mqtt is not None:
        environment = {**environment, "LADDVAKT_SIMULATE_MQTT": mqtt}  # carries a password: not for `ps`
    return Service(name="simulator", argv=tuple(argv), environment=environment)


def prepare(settings: Settings, demo: int | None) -> list[str]:
    """Migrates the records and, for a demo, fills in its network and people. Returns lines to show.

    Raises SettingsError for mapping files that cannot be used: better now than in a restarting collector.
    """
    from collector.mqtt.mapping_file import load_mappings
    from laddvakt.stores.sql.engine import open_records

    load_mappings(settings.mqtt.mappings)
    records = open_records(settings)
    try:
        records.migrate()
        if demo is None:
            return []
        from laddvakt.demo import apply_demo

        return apply_demo(records, settings, stations=demo, now=utc_now())
    finally:
        records.close()


async def _until_answering(settings: Settings) -> str:
    """The URL of the pages once they answer."""
    path = settings.run_dir / "dashboard.json"
    while True:
        try:
            url = str(msgspec.json.decode(path.read_bytes())["url"])
            host, port = split_address(url.removeprefix("http://").removeprefix("https://").rstrip("/"))
            _, writer = await asyncio.open_connection(host, port)
        except (OSError, msgspec.MsgspecError, KeyError, SettingsError):
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return url


class _Processes:
    """Which process is which, for people and for tests: `run/processes.json`."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.run_dir / "processes.json"
        self._pids: dict[str, int] = {"up": os.getpid()}

    def started(self, name: str, pid: int) -> None:
        self._pids[name] = pid
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._pids))
        fresh.replace(self._path)


async def _run(settings: Settings, config: Path | None, environment: dict[str, str], demo: int | None) -> None:
    lines = await asyncio.to_thread(prepare, settings, demo)
    (settings.run_dir / "dashboard.json").unlink(missing_ok=True)
    addresses = {"stations": environment["LADDVAKT_OCPP__LISTEN"], "web": environment["LADDVAKT_WEB__LISTEN"]}
    if settings.tap.listen:
        addresses["tap"] = environment["LADDVAKT_TAP__LISTEN"]
    (settings.run_dir / "addresses.json").write_text(json.dumps(addresses))
    processes = _Processes(settings)
    tasks: list[tuple[str, asyncio.Task[None]]] = []

    def supervise(name: str, work: Any) -> None:
        tasks.append((name, asyncio.create_task(work)))

    try:
        if settings.eventlog.url == EMBEDDED:
            from laddvakt.eventlog.server import EmbeddedServer

            server = EmbeddedServer(settings)
            await server.start()
            supervise("eventlog", keep_event_log(server, processes.started))
        for services in _services(settings, config, environment, demo):
            children = [Child(service, processes.started) for service in services]
            supervise(services[0].name, keep_together(children))
        ready = asyncio.create_task(_announce(settings, environment, lines))
        try:
            # They run for ever, so one that is done has failed. Not gather(): being stopped, it would stop all at
            # once instead of in order.
            done, _ = await asyncio.wait([task for _, task in tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            ready.cancel()
    finally:
        logger.info("stopping")
        await stop_in_order(tasks)


async def _announce(settings: Settings, environment: dict[str, str], lines: list[str]) -> None:
    url = await _until_answering(settings)
    click.echo(f"\n  Laddvakt runs:  {url}")
    click.echo(f"  Stations:       ws://{environment['LADDVAKT_OCPP__LISTEN']}/<station id>  (OCPP 1.6, 2.x)")
    if settings.tap.listen:
        click.echo(f"  Tap:            {environment['LADDVAKT_TAP__LISTEN']}, to {settings.tap.upstream}")
    for line in lines:
        click.echo(f"  {line}")
    click.echo("  Ctrl-C stops it; the data stays in " + str(settings.data_dir) + ".\n")


@click.command(name="up")
@click.option(
    "--demo",
    is_flag=False,
    flag_value=25,
    default=None,
    type=click.IntRange(1, 5000),
    metavar="[N]",
    help="Add N simulated stations (25 when left out), demo users and tariffs.",
)
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Data directory (default: data).")
@click.pass_obj
def command(context: Context, demo: int | None, data_dir: Path | None) -> None:
    """Run event log, MQTT, collector, recorder, detector and dashboard on this machine, supervised."""
    environ = {**(DEMO_ENVIRONMENT if demo is not None else {}), **os.environ}
    settings = load_settings(context.config, environ=environ, data_dir=data_dir or context.data_dir)
    with _sole_owner(settings):
        os.environ.update(environ)
        environment = _environment(settings)
        serve(settings, "up", lambda: _run(settings, context.config, environment, demo))
