"""A live fleet: many stations in one process, against a running central system and broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from laddvakt.clock import utc_now
from laddvakt.domain.times import rfc3339
from simulator.client import StationClient
from simulator.drivers import Habits, Population
from simulator.faults import FaultPlan
from simulator.faults.schedule import live_faults, truth_record
from simulator.messages import timestamp
from simulator.mqtt import Devices
from simulator.site import make_sites
from simulator.spec import StationSpec, make_specs, make_tokens, speaking, with_devices
from simulator.station import Acknowledged, Output, Publish, Station, StationOptions

logger = logging.getLogger(__name__)

_CONNECT_PER_S = 50.0  # stations that open their first connection per second
_COMPLAIN_AFTER_S = 5.0
_COMPLAIN_EVERY_S = 30.0


class FleetOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What fleet to run and where. `url` is the central system without the station id."""

    url: str
    stations: int = 25
    seed: int = 1
    speed: float = 1.0  # drivers and faults are this much quicker; physics and clocks keep real time
    faults: float = 0.0  # share of stations that develop a fault, soon and then every day
    first_fault_s: tuple[float, float] = (15.0, 35.0)
    mqtt_url: str | None = None
    mqtt_share: float = 0.4  # share of stations with independent devices
    mqtt_interval_s: float = 30.0
    meter_interval_s: float = 10.0
    session_s: tuple[float, float] | None = None  # bounds of a session's length; None is a natural mix
    acks: Path | None = None  # JSON Lines of every acknowledged call
    protocols: tuple[str, ...] | None = None  # versions of OCPP that the stations take turns with
    specs: tuple[StationSpec, ...] | None = None  # instead of a made-up fleet of `stations`
    tokens: tuple[str, ...] | None = None
    truth: Path | None = None  # where to write which faults are to come


class _Acknowledgements:
    """Writes one line per acknowledged call, flushed at once: what is here was promised to the station."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, station: Station, output: Acknowledged) -> None:
        line = {
            "station_id": station.spec.station_id,
            "action": output.action,
            "unique_id": output.unique_id,
            "payload": output.payload,
            "reply": output.reply,
            "at": rfc3339(utc_now()),
        }
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()


class _Troubles:
    """Says why stations cannot connect: not for every one of them, and not while a server is just starting."""

    def __init__(self) -> None:
        self._failures = 0
        self._said_s = _now_s() - _COMPLAIN_EVERY_S + _COMPLAIN_AFTER_S

    def note(self, error: Exception) -> None:
        self._failures += 1
        if _now_s() - self._said_s < _COMPLAIN_EVERY_S:
            return
        reason = f"{type(error).__name__}: {error}"
        logger.warning("%d attempts to connect failed; the latest: %s", self._failures, reason)
        self._failures, self._said_s = 0, _now_s()


def build_fleet(options: FleetOptions, now_s: float) -> list[Station]:
    """The stations of a fleet, none of them connected yet."""
    specs = options.specs if options.specs is not None else make_specs(options.stations)
    specs = speaking(specs, options.protocols) if options.protocols else specs
    specs = with_devices(specs, options.mqtt_share if options.mqtt_url else 0.0, options.seed)
    rng = random.Random(f"fleet/{options.seed}")
    bays = sum(len(spec.connectors) for spec in specs)
    tokens = options.tokens or make_tokens(max(bays * 2, 20), options.seed)
    sites = make_sites(options.seed, specs)
    population = Population(tokens, rng, tuple(sites))
    faults = plan_faults(options, specs, now_s)
    habits = Habits(speed=options.speed, session_s=options.session_s)
    stations = []
    for spec in specs:
        station_options = StationOptions(
            habits=habits,
            meter_interval_s=options.meter_interval_s,
            mqtt=spec.devices,
            mqtt_interval_s=options.mqtt_interval_s,
        )
        own = tuple(plan for plan in faults if spec.station_id in plan.stations)
        stations.append(
            Station(
                spec,
                seed=options.seed,
                now_s=now_s,
                population=population,
                options=station_options,
                faults=own,
                site=sites[spec.site_id],
            )
        )
    return stations


def plan_faults(options: FleetOptions, specs: tuple[StationSpec, ...], now_s: float) -> tuple[FaultPlan, ...]:
    """The faults to come, from `now_s` on; written down where `truth` says."""
    plans = live_faults(
        specs,
        seed=options.seed,
        share=options.faults,
        now_s=now_s,
        first_after_s=options.first_fault_s,
        speed=options.speed,
    )
    for plan in plans[:1]:
        logger.info("first fault: %s at %s, %s", plan.fault, plan.asset.id, timestamp(plan.since_s))
    if options.truth is not None:
        record = {
            "seed": options.seed,
            "from": timestamp(now_s),
            "stations": [spec.station_id for spec in specs],
            "faults": [truth_record(plan) for plan in plans],
        }
        options.truth.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return plans


def _now_s() -> float:
    return utc_now().timestamp()


async def run_fleet(options: FleetOptions) -> None:
    """Runs until cancelled; then every socket is closed and the broker session left in order.

    Raises SettingsError for an address that cannot be one. A central system or broker that is not there yet is
    waited for.
    """
    stations, troubles = build_fleet(options, _now_s()), _Troubles()
    with _devices(options) as devices, _acknowledgements(options) as acknowledgements:

        def sink(station: Station, output: Output) -> None:
            match output:
                case Publish(topic, payload) if devices is not None:
                    devices.publish(topic, payload)
                case Acknowledged() if acknowledgements is not None:
                    acknowledgements.write(station, output)

        async def live(index: int, station: Station) -> None:
            await asyncio.sleep(index / _CONNECT_PER_S)
            await StationClient(station, options.url, now=_now_s, sink=sink, trouble=troubles.note).run()

        logger.info("%d stations connect to %s", len(stations), options.url)
        async with asyncio.TaskGroup() as group:
            for index, station in enumerate(stations):
                group.create_task(live(index, station), name=station.spec.station_id)


@contextlib.contextmanager
def _devices(options: FleetOptions) -> Iterator[Devices | None]:
    if options.mqtt_url is None:
        yield None
        return
    devices = Devices(options.mqtt_url, client_id=f"laddvakt-simulator-{options.seed}")
    devices.start()
    try:
        yield devices
    finally:
        devices.stop()


@contextlib.contextmanager
def _acknowledgements(options: FleetOptions) -> Iterator[_Acknowledgements | None]:
    if options.acks is None:
        yield None
        return
    with options.acks.open("a", encoding="utf-8") as file:
        yield _Acknowledgements(file)
