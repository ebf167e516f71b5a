"""A fleet on virtual time, written as a replay log with the ground truth of its faults.

A plain central system answers every station at once, so the log holds both directions. The same options give the
same bytes.
"""

from __future__ import annotations

import gzip
import heapq
import io
import itertools
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from simulator.drivers import Habits, Population
from simulator.faults import KINDS, FaultPlan
from simulator.faults.schedule import shows, spread_faults, truth_record
from simulator.messages import timestamp
from simulator.spec import StationSpec, make_specs, make_tokens, speaking
from simulator.station import Output, Publish, Send, Station, StationOptions

DEFAULT_START_S = 1_772_409_600.0  # 2026-03-02T00:00:00Z, a Monday
_HEARTBEAT_S = 300
_DETECT_LOSS_S = (5.0, 45.0)  # how long a server takes to see that a link is dead
_RECONNECT_S = (1.0, 30.0)
_encoder = msgspec.json.Encoder()


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What log to write. `faults` is the share of stations that develop a fault per day."""

    stations: int = 25
    seed: int = 1
    days: float = 1.0
    start_s: float = DEFAULT_START_S
    faults: float = 0.0
    plans: tuple[FaultPlan, ...] | None = None  # these faults instead of seeded ones
    habits: Habits = Habits(brisk=False, busy_at_start=0.15)
    mqtt_share: float = 0.4
    mqtt_interval_s: float = 60.0
    meter_interval_s: float = 60.0
    session_s: tuple[float, float] | None = None
    drops_per_day: float = 0.4  # short losses of the link per station: no fault
    specs: tuple[StationSpec, ...] | None = None
    protocols: tuple[str, ...] | None = None  # versions of OCPP that the stations take turns with
    tokens: tuple[str, ...] | None = None


class LogSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    stations: int
    lines: int
    faults: int


class _Link:
    """A station's connection in virtual time."""

    __slots__ = ("epoch", "last_s", "latency_s", "opening", "rng", "station", "tick_s", "up")

    def __init__(self, station: Station, rng: random.Random) -> None:
        self.station = station
        self.rng = rng
        self.latency_s = rng.uniform(0.02, 0.12)
        self.up = False
        self.opening = True  # a connection is on the agenda
        self.epoch = 0  # counts connections: what belongs to a former one is void
        self.last_s = 0.0  # frames of one connection never overtake each other
        self.tick_s = float("inf")  # when the next tick is on the agenda


class _World:
    """Stations, their links and a central system, on one agenda."""

    def __init__(self, options: LogOptions, plans: tuple[FaultPlan, ...], write: IO[str]) -> None:
        self.options = options
        self.lines = 0
        self._write = write
        self._agenda: list[tuple[float, int, Any]] = []
        self._count = itertools.count()
        self._transactions = itertools.count(1)
        self.shown_s: dict[FaultPlan, float] = {}
        self._hidden: dict[str, list[FaultPlan]] = {}  # station -> faults that nothing has shown yet
        for plan in plans:
            if KINDS[plan.fault].shown_by:
                self._hidden.setdefault(plan.station_id, []).append(plan)
            else:
                self.shown_s[plan] = plan.since_s
        self._given: dict[str, int] = {}  # message id -> transaction id: a retry gets the same one

    def at(self, when_s: float, action: Any) -> None:
        heapq.heappush(self._agenda, (when_s, next(self._count), action))

    def run(self, links: list[_Link], until_s: float) -> None:
        for link in links:
            self.at(self.options.start_s + link.rng.uniform(0.5, 20), self._opener(link))
            self._plan_drop(link, self.options.start_s)
        while self._agenda and self._agenda[0][0] < until_s:
            now_s, _, action = heapq.heappop(self._agenda)
            action(now_s)

    # Links.

    def _opener(self, link: _Link) -> Any:
        return lambda now: self._connect(link, now)

    def _connect(self, link: _Link, now_s: float) -> None:
        link.opening = False
        if not link.station.link_wanted:
            self._apply(link, link.station.tick(now_s), now_s)
            return
        link.up = True
        link.epoch += 1
        self._line(
            now_s, station_id=link.station.spec.station_id, kind="connected", protocol=link.station.spec.protocol
        )
        link.last_s = now_s
        self._apply(link, link.station.link_up(now_s), now_s)

    def _drop(self, link: _Link, now_s: float) -> None:
        """The link dies; the station knows at once, the server a little later."""
        if not link.up:
            return
        link.up = False
        link.opening = True
        self._apply(link, link.station.link_down(now_s), now_s)
        seen_s = max(now_s + link.rng.uniform(*_DETECT_LOSS_S), link.last_s)
        station_id = link.station.spec.station_id
        self.at(seen_s, lambda now: self._line(now, station_id=station_id, kind="disconnected"))
        self.at(seen_s + link.rng.uniform(*_RECONNECT_S), self._opener(link))

    def _plan_drop(self, link: _Link, now_s: float) -> None:
        if self.options.drops_per_day <= 0:
            return

        def drop(now: float) -> None:
            self._drop(link, now)
            self._plan_drop(link, now)

        self.at(now_s + link.rng.expovariate(self.options.drops_per_day / 86_400), drop)

    # Stations.

    def _apply(self, link: _Link, outputs: list[Output], now_s: float) -> None:
        for output in outputs:
            match output:
                case Send(frame):
                    self._send(link, _encoder.encode(frame), frame, now_s)
                case Publish(topic, payload):
                    text = _encoder.encode(payload).decode()
                    self._line(now_s, kind="mqtt", topic=topic, payload=text)
        if link.up and not link.station.link_wanted:
            self._drop(link, now_s)
        elif not link.up and not link.opening and link.station.link_wanted:
            link.opening = True
            self.at(now_s + link.rng.uniform(*_RECONNECT_S), self._opener(link))
        self._schedule_tick(link)

    def _schedule_tick(self, link: _Link) -> None:
        due_s = link.station.next_at_s
        if due_s >= link.tick_s or due_s == float("inf"):
            return
        link.tick_s = due_s

        def tick(now: float) -> None:
            if now != link.tick_s:
                return  # an earlier one took its place
            link.tick_s = float("inf")
            self._apply(link, link.station.tick(now), now)

        self.at(due_s, tick)

    def _send(self, link: _Link, text: bytes, frame: list[Any], now_s: float) -> None:
        arrives_s = max(now_s + link.latency_s * link.rng.uniform(0.8, 1.6), link.last_s)
        link.last_s = arrives_s
        epoch = link.epoch

        def arrive(now: float) -> None:
            if epoch == link.epoch and link.up:
                self._frame(link, "in", text, now)
                if frame[0] == 2:
                    self._show(link, frame, now)
                    self._answer(link, frame, now)

        self.at(arrives_s, arrive)

    def _show(self, link: _Link, frame: list[Any], now_s: float) -> None:
        hidden = self._hidden.get(link.station.spec.station_id, ())
        for plan in [plan for plan in hidden if shows(plan, frame[2], frame[3], now_s)]:
            self.shown_s[plan] = now_s
            self._hidden[plan.station_id].remove(plan)

    # The central system.

    def _answer(self, link: _Link, frame: list[Any], now_s: float) -> None:
        _, unique_id, action, _ = frame
        old = link.station.spec.protocol == "ocpp1.6"
        reply = [3, unique_id, self._reply(action, unique_id, now_s) if old else _reply_2x(frame, now_s)]
        text = _encoder.encode(reply)
        epoch = link.epoch

        def arrive(now: float) -> None:
            if epoch == link.epoch and link.up:
                self._apply(link, link.station.received(reply, now), now)

        def send(now: float) -> None:
            if epoch == link.epoch and link.up:
                self._frame(link, "out", text, now)
                self.at(now + link.latency_s, arrive)

        self.at(now_s + 0.003, send)

    def _reply(self, action: str, unique_id: str, now_s: float) -> dict[str, Any]:
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": timestamp(now_s), "interval": _HEARTBEAT_S}
            case "Heartbeat":
                return {"currentTime": timestamp(now_s)}
            case "Authorize" | "StopTransaction":
                return {"idTagInfo": {"status": "Accepted"}}
            case "StartTransaction":
                if unique_id not in self._given:
                    self._given[unique_id] = next(self._transactions)
                return {"transactionId": self._given[unique_id], "idTagInfo": {"status": "Accepted"}}
        return {}

    # The log.

    def _frame(self, link: _Link, direction: str, text: bytes, now_s: float) -> None:
        self._line(
            now_s,
            station_id=link.station.spec.station_id,
            kind="ocpp",
            direction=direction,
            frame=msgspec.Raw(text),
        )

    def _line(self, now_s: float, **fields: Any) -> None:
        self._write.write(_encoder.encode({"received_at": timestamp(now_s), **fields}).decode() + "\n")
        self.lines += 1


def _reply_2x(frame: list[Any], now_s: float) -> dict[str, Any]:
    _, _, action, payload = frame
    match action:
        case "BootNotification":
            return {"currentTime": timestamp(now_s), "interval": _HEARTBEAT_S, "status": "Accepted"}
        case "Heartbeat":
            return {"currentTime": timestamp(now_s)}
        case "Authorize":
            return {"idTokenInfo": {"status": "Accepted"}}
        case "TransactionEvent" if "idToken" in payload:
            return {"idTokenInfo": {"status": "Accepted"}}
    return {}


def write_log(options: LogOptions, out: Path, truth: Path) -> LogSummary:
    """Writes the log (packed when its name ends in `.gz`) and its ground truth."""
    specs = options.specs if options.specs is not None else make_specs(options.stations)
    specs = speaking(specs, options.protocols) if options.protocols else specs
    until_s = options.start_s + options.days * 86_400
    plans = options.plans
    if plans is None:
        plans = spread_faults(
            specs, seed=options.seed, share_per_day=options.faults, from_s=options.start_s, until_s=until_s
        )
    links = [_Link(station, station.rng) for station in _stations(options, specs, plans)]
    with _open(out) as file:
        world = _World(options, plans, file)
        world.run(links, until_s)
    record = {
        "seed": options.seed,
        "from": timestamp(options.start_s),
        "until": timestamp(until_s),
        "stations": [spec.station_id for spec in specs],
        "faults": [truth_record(plan, world.shown_s.get(plan)) for plan in plans],
    }
    truth.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return LogSummary(stations=len(specs), lines=world.lines, faults=len(plans))


def _stations(
    options: LogOptions, specs: tuple[StationSpec, ...], plans: tuple[FaultPlan, ...]
) -> Iterator[Station]:
    rng = random.Random(f"log/{options.seed}")
    bays = sum(len(spec.connectors) for spec in specs)
    population = Population(options.tokens or make_tokens(max(bays * 3, 20), options.seed), rng)
    habits = msgspec.structs.replace(options.habits, session_s=options.session_s or options.habits.session_s)
    for spec in specs:
        station_options = StationOptions(
            habits=habits,
            meter_interval_s=options.meter_interval_s,
            mqtt=rng.random() < options.mqtt_share,
            mqtt_interval_s=options.mqtt_interval_s,
        )
        yield Station(
            spec,
            seed=options.seed,
            now_s=options.start_s,
            population=population,
            options=station_options,
            faults=tuple(plan for plan in plans if plan.station_id == spec.station_id),
        )


@contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    if path.suffix != ".gz":
        with path.open("w", encoding="utf-8") as file:
            yield file
        return
    # No name and no time in the header: the same options give the same bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
        io.TextIOWrapper(cast("IO[bytes]", packed), encoding="utf-8") as file,
    ):
        yield file
