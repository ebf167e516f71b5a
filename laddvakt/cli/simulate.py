"""`laddvakt simulate`: a fleet of simulated stations, live or as a log with ground truth."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from pathlib import Path
from urllib.parse import urlsplit

import click

from simulator.fleet import FleetOptions, run_fleet
from simulator.log import LogOptions, write_log
from simulator.spec import StationSpec, specs_from_network

Network = tuple[tuple[StationSpec, ...] | None, tuple[str, ...] | None]


def _network(path: Path | None, *, demo: bool, stations: int) -> Network:
    if path is not None:
        from laddvakt.network.read import read_network

        specs, tokens = specs_from_network(read_network(path))
        if not specs:
            raise click.UsageError(f"{path} names no stations.")
        return specs, tokens or None
    if demo:
        from laddvakt.demo import demo_network

        specs, tokens = specs_from_network(demo_network(stations))
        return specs, tokens or None
    return None, None


async def _run_until_told(options: FleetOptions) -> None:
    fleet = asyncio.ensure_future(run_fleet(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, fleet.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await fleet


def _live(options: FleetOptions) -> None:
    if urlsplit(options.url).scheme not in {"ws", "wss"}:
        raise click.BadParameter("write for example ws://127.0.0.1:9000", param_hint="--url")
    import uvloop

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    count = options.stations if options.specs is None else len(options.specs)
    click.echo(f"Simulating {count} stations against {options.url}.", err=True)
    uvloop.run(_run_until_told(options))


@click.command("simulate")
@click.option("--url", help="Central system, without the station id: ws://127.0.0.1:9000.")
@click.option("--stations", type=click.IntRange(1, 100_000), default=25, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same fleet.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 1000),
    default=1.0,
    show_default=True,
    help="How much quicker drivers come and go and faults strike; clocks and physics keep real time.",
)
@click.option(
    "--faults",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of stations that develop a fault: soon when live, per day in a log.",
)
@click.option(
    "--look-alikes",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Of a log: share of stations per day that something befalls which only looks like a fault.",
)
@click.option(
    "--mqtt", envvar="LADDVAKT_SIMULATE_MQTT", help="Broker of the devices: mqtt://[user:password@]host:port."
)
@click.option(
    "--network",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Network file to take stations and tokens from.",
)
@click.option("--demo", is_flag=True, help="The demo's stations and tokens.")
@click.option(
    "--meter-interval",
    type=click.FloatRange(1, 3600),
    help="Seconds between meter values (live 10, log as each model does).",
)
@click.option(
    "--session",
    nargs=2,
    type=click.FloatRange(1, 86_400),
    help="Shortest and longest session, seconds; a natural mix when left out.",
)
@click.option(
    "--ocpp",
    "protocols",
    multiple=True,
    type=click.Choice(["1.6", "2.0.1", "2.1"]),
    help="Version of OCPP (default 1.6); give it several times and the stations take turns.",
)
@click.option(
    "--acks", type=click.Path(dir_okay=False, path_type=Path), help="Append every acknowledged call here."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a replay log instead (.gz: packed)."
)
@click.option(
    "--truth", type=click.Path(dir_okay=False, path_type=Path), help="Write down which faults, where and when."
)
@click.option(
    "--days", type=click.FloatRange(0.01, 400), default=1.0, show_default=True, help="Length of the log."
)
def command(
    url: str | None,
    stations: int,
    seed: int,
    speed: float,
    faults: float,
    look_alikes: float,
    mqtt: str | None,
    network: Path | None,
    demo: bool,
    meter_interval: float | None,
    session: tuple[float, float] | None,
    protocols: tuple[str, ...],
    acks: Path | None,
    out: Path | None,
    truth: Path | None,
    days: float,
) -> None:
    """A live fleet (--url), or a log with ground truth (--out and --truth)."""
    if (url is None) == (out is None):
        raise click.UsageError("give either --url (live) or --out with --truth (a log).")
    if session is not None and session[0] > session[1]:
        raise click.BadParameter("the shortest comes first", param_hint="--session")
    if url is not None and look_alikes:
        raise click.UsageError(
            "--look-alikes is for a log (--out): some of them need a central system that plays along."
        )
    specs, tokens = _network(network, demo=demo, stations=stations)
    spoken = tuple(f"ocpp{version}" for version in protocols) or None
    if url is not None:
        _live(
            FleetOptions(
                url=url,
                stations=stations,
                seed=seed,
                speed=speed,
                faults=faults,
                mqtt_url=mqtt or None,
                meter_interval_s=meter_interval or 10.0,
                session_s=session,
                acks=acks,
                truth=truth,
                specs=specs,
                protocols=spoken,
                tokens=tokens,
            )
        )
        return
    if out is None or truth is None:
        raise click.UsageError("--out wants --truth beside it.")
    summary = write_log(
        LogOptions(
            stations=stations,
            seed=seed,
            days=days,
            faults=faults,
            look_alikes=look_alikes,
            meter_interval_s=meter_interval,
            session_s=session,
            specs=specs,
            protocols=spoken,
            tokens=tokens,
        ),
        out,
        truth,
    )
    laid = f"{summary.faults} faults, {summary.look_alikes} look-alikes"
    click.echo(f"{out}: {summary.lines} lines of {summary.stations} stations; {truth}: {laid}.")
