"""A fleet on virtual time: stations, their links and a central system on one agenda, as an iterator of log lines.

The lines are Python objects, so that an evaluation reads millions of them without text in between; `simulator.log`
writes the same ones to a file.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from simulator.central import Central
from simulator.drivers import Habits, Population
from simulator.faults import KINDS, FaultPlan
from simulator.faults.base import bays
from simulator.faults.schedule import of_device, shows, spread_faults, truth_record
from simulator.lookalikes.schedule import like_record, spread_look_alikes
from simulator.messages import milliseconds, timestamp
from simulator.site import make_sites
from simulator.spec import StationSpec, make_specs, make_tokens, speaking, with_devices
from simulator.station import Acknowledged, Asked, Output, Publish, Send, Station, StationOptions

DEFAULT_START_S = 1_772_409_600.0  # 2026-03-02T00:00:00Z, a Monday
_DETECT_LOSS_S = (5.0, 45.0)  # how long a server takes to see that a link is dead
_CLOSE_S = (0.01, 0.5)  # a server that goes closes its links itself
_RECONNECT_S = (1.0, 30.0)
_THINK_S = 0.003  # how long the central system takes to answer
_NEVER = float("inf")
_SHOWN_TIMES = 4  # so many of the messages that show a fault are dated in the truth
_PAY = 0.3  # share of drivers who pay by card where they can


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What fleet to let live, and for how long. `faults` is the share of stations that develop a fault per day."""

    stations: int = 25
    seed: int = 1
    days: float = 1.0
    start_s: float = DEFAULT_START_S
    faults: float = 0.0
    plans: tuple[FaultPlan, ...] | None = None  # these faults instead of seeded ones
    look_alikes: float = 0.0  # share of stations that something befalls per day which only looks like a fault
    likes: tuple[FaultPlan, ...] | None = None  # these look-alikes instead of seeded ones
    habits: Habits = Habits(brisk=False, busy_at_start=0.15)
    mqtt_share: float = 0.4
    mqtt_interval_s: float = 60.0
    meter_interval_s: float | None = None  # None: as each model does
    session_s: tuple[float, float] | None = None
    drops_per_day: float = 0.4  # short losses of the link per station: no fault
    specs: tuple[StationSpec, ...] | None = None
    protocols: tuple[str, ...] | None = None  # versions of OCPP that the stations take turns with
    tokens: tuple[str, ...] | None = None

    @property
    def until_s(self) -> float:
        return self.start_s + self.days * 86_400


class Line(msgspec.Struct, kw_only=True, gc=False):
    """One line of the log. `frame` and `payload` are the decoded messages; nobody changes them."""

    received_s: float  # UTC seconds, whole milliseconds
    kind: str  # connected, ocpp, mqtt or disconnected
    station_id: str = ""  # of all but mqtt
    protocol: str = ""  # of a connection
    direction: str = ""  # of ocpp: in or out
    frame: list[Any] | None = None
    topic: str = ""
    payload: dict[str, Any] | None = None

    @property
    def received_at(self) -> str:
        """RFC 3339, as the file has it."""
        return timestamp(self.received_s)


class _Link:
    """A station's connection in virtual time."""

    __slots__ = (
        *("epoch", "last_s", "latency_s", "opening", "protocol"),
        *("rng", "station", "station_id", "tick_s", "up"),
    )

    def __init__(self, station: Station) -> None:
        self.station = station
        self.station_id = station.spec.station_id
        self.protocol = station.spec.protocol
        self.rng = station.rng
        self.latency_s = self.rng.uniform(0.02, 0.12)
        self.up = False
        self.opening = True  # a connection is on the agenda
        self.epoch = 0  # counts connections: what belongs to a former one is void
        self.last_s = 0.0  # frames of one connection never overtake each other
        self.tick_s = _NEVER  # when the next tick is on the agenda


class World:
    """One run. `lines()` may be read once; afterwards `truth()` knows when each fault first showed."""

    def __init__(self, options: LogOptions) -> None:
        self.options = options
        specs = options.specs if options.specs is not None else make_specs(options.stations)
        specs = speaking(specs, options.protocols) if options.protocols else specs
        self.specs = with_devices(specs, options.mqtt_share, options.seed)
        self.plans = _plans(options, self.specs)
        self.likes = _likes(options, self.specs, self.plans)
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = itertools.count()
        self._central = Central()
        self._asked = itertools.count(1)
        self._lines: list[Line] = []
        self._shown_s: dict[FaultPlan, list[float]] = {}
        self._hidden: dict[str, list[FaultPlan]] = {}  # station -> faults that little or nothing has shown yet
        for plan in self.plans:
            if KINDS[plan.fault].shows is None:
                self._shown_s[plan] = [plan.since_s]
                continue
            for station_id in plan.stations:
                self._hidden.setdefault(station_id, []).append(plan)
        self._links = [_Link(station) for station in _stations(options, self.specs, (*self.plans, *self.likes))]

    def lines(self) -> Iterator[Line]:
        """What a central system and a broker hear and say, in the order of time."""
        for link in self._links:
            self._at(self.options.start_s + link.rng.uniform(0.5, 20), self._opener(link))
            self._plan_drop(link, self.options.start_s)
        agenda, until_s, lines, pop = self._agenda, self.options.until_s, self._lines, heapq.heappop
        while agenda and agenda[0][0] < until_s:
            now_s, _, action = pop(agenda)
            action(now_s)
            if lines:
                yield from lines
                lines.clear()

    def truth(self) -> dict[str, Any]:
        """What TRUTH.json holds."""
        return {
            "seed": self.options.seed,
            "from": timestamp(self.options.start_s),
            "until": timestamp(self.options.until_s),
            "stations": [spec.station_id for spec in self.specs],
            "faults": [truth_record(plan, *self._shown_s.get(plan, ())) for plan in self.plans],
            "look_alikes": [like_record(plan) for plan in self.likes],
        }

    def _at(self, when_s: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._agenda, (when_s, next(self._count), action))

    def _line(self, now_s: float, kind: str, **fields: Any) -> None:
        self._lines.append(Line(received_s=milliseconds(now_s) / 1000, kind=kind, **fields))

    # Links.

    def _opener(self, link: _Link) -> Callable[[float], None]:
        return lambda now: self._connect(link, now)

    def _connect(self, link: _Link, now_s: float) -> None:
        link.opening = False
        if not link.station.link_wanted:
            self._apply(link, link.station.tick(now_s), now_s)
            return
        link.up = True
        link.epoch += 1
        self._line(now_s, "connected", station_id=link.station_id, protocol=link.protocol)
        link.last_s = now_s
        self._apply(link, link.station.link_up(now_s), now_s)

    def _drop(self, link: _Link, now_s: float) -> None:
        """The link dies; the station knows at once, the server a little later."""
        if not link.up:
            return
        link.up = False
        link.opening = True
        self._apply(link, link.station.link_down(now_s), now_s)
        takes_s = _CLOSE_S if link.station.sent_away else _DETECT_LOSS_S
        seen_s = max(now_s + link.rng.uniform(*takes_s), link.last_s)
        self._at(seen_s, lambda now: self._line(now, "disconnected", station_id=link.station_id))
        self._at(seen_s + link.rng.uniform(*_RECONNECT_S), self._opener(link))

    def _plan_drop(self, link: _Link, now_s: float) -> None:
        if self.options.drops_per_day <= 0:
            return

        def drop(now: float) -> None:
            self._drop(link, now)
            self._plan_drop(link, now)

        self._at(now_s + link.rng.expovariate(self.options.drops_per_day / 86_400), drop)

    # Stations.

    def _apply(self, link: _Link, outputs: list[Output], now_s: float) -> None:
        for output in outputs:
            match output:
                case Send(frame):
                    self._send(link, frame, now_s)
                case Publish(topic, payload):
                    self._line(now_s, "mqtt", topic=topic, payload=payload)
                    if self._hidden.get(link.station_id):
                        self._show(link, *_of_device(link.station, topic, payload), now_s)
                case Asked(action, payload):
                    self._ask(link, action, payload, now_s)
                case Acknowledged():
                    pass
        wanted = link.station.link_wanted
        if link.up and not wanted:
            self._drop(link, now_s)
        elif wanted and not link.up and not link.opening:
            link.opening = True
            self._at(now_s + link.rng.uniform(*_RECONNECT_S), self._opener(link))
        due_s = link.station.next_at_s
        if due_s < link.tick_s:
            link.tick_s = due_s
            self._at(due_s, lambda now: self._tick(link, due_s, now))

    def _tick(self, link: _Link, due_s: float, now_s: float) -> None:
        if due_s != link.tick_s:
            return  # an earlier one took its place
        link.tick_s = _NEVER
        self._apply(link, link.station.tick(now_s), now_s)

    def _send(self, link: _Link, frame: list[Any], now_s: float) -> None:
        arrives_s = max(now_s + link.latency_s * link.rng.uniform(0.8, 1.6), link.last_s)
        link.last_s = arrives_s
        epoch = link.epoch

        def arrive(now: float) -> None:
            if epoch == link.epoch and link.up:
                self._line(now, "ocpp", station_id=link.station_id, direction="in", frame=frame)
                if frame[0] == 2:
                    self._show(link, frame[2], frame[3], now)
                    self._answer(link, frame, now)

        self._at(arrives_s, arrive)

    def _answer(self, link: _Link, frame: list[Any], now_s: float) -> None:
        reply = self._central.reply(link.protocol, frame, now_s)
        epoch = link.epoch

        def arrive(now: float) -> None:
            if epoch == link.epoch and link.up:
                self._apply(link, link.station.received(reply, now), now)

        def send(now: float) -> None:
            if epoch == link.epoch and link.up:
                self._line(now, "ocpp", station_id=link.station_id, direction="out", frame=reply)
                self._at(now + link.latency_s, arrive)

        self._at(now_s + _THINK_S, send)

    def _ask(self, link: _Link, action: str, payload: dict[str, Any], now_s: float) -> None:
        """The central system asks something of a station that is there."""
        if not link.up:
            return
        frame, epoch = [2, f"ask-{next(self._asked)}", action, payload], link.epoch

        def arrive(now: float) -> None:
            if epoch == link.epoch and link.up:
                self._apply(link, link.station.received(frame, now), now)

        self._line(now_s, "ocpp", station_id=link.station_id, direction="out", frame=frame)
        self._at(now_s + link.latency_s, arrive)

    def _show(self, link: _Link, action: str, payload: dict[str, Any], now_s: float) -> None:
        hidden = self._hidden.get(link.station_id)
        if not hidden:
            return
        for plan in [plan for plan in hidden if shows(plan, action, payload, now_s)]:
            if not any(KINDS[plan.fault].acts(bay) for bay in bays(link.station, plan)):
                continue
            times = self._shown_s.setdefault(plan, [])
            times.append(now_s)
            if len(times) >= _SHOWN_TIMES:
                hidden.remove(plan)


def _of_device(station: Station, topic: str, payload: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """As `of_device` has it; in mid-session it names the transaction, as the station's own values do."""
    what, said = of_device(topic, payload)
    bay = station.bays.get(said["connectorId"] or 0)
    if bay is not None and bay.transaction is not None:
        said["transactionId"] = bay.transaction.name
    return what, said


def _plans(options: LogOptions, specs: tuple[StationSpec, ...]) -> tuple[FaultPlan, ...]:
    if options.plans is not None:
        return options.plans
    return spread_faults(
        specs,
        seed=options.seed,
        share_per_day=options.faults,
        from_s=options.start_s,
        until_s=options.until_s,
    )


def _likes(
    options: LogOptions, specs: tuple[StationSpec, ...], faults: tuple[FaultPlan, ...]
) -> tuple[FaultPlan, ...]:
    if options.likes is not None:
        return options.likes
    return spread_look_alikes(
        specs,
        seed=options.seed,
        share_per_day=options.look_alikes,
        from_s=options.start_s,
        until_s=options.until_s,
        beside=faults,
    )


def _stations(
    options: LogOptions, specs: tuple[StationSpec, ...], plans: tuple[FaultPlan, ...]
) -> Iterator[Station]:
    rng = random.Random(f"log/{options.seed}")
    bays = sum(len(spec.connectors) for spec in specs)
    sites = make_sites(options.seed, specs)
    tokens = options.tokens or make_tokens(max(bays * 5, 20), options.seed)
    population = Population(tokens, rng, tuple(sites), pay=_PAY)
    habits = msgspec.structs.replace(options.habits, session_s=options.session_s or options.habits.session_s)
    for spec in specs:
        station_options = StationOptions(
            habits=habits,
            meter_interval_s=options.meter_interval_s,
            mqtt=spec.devices,
            mqtt_interval_s=options.mqtt_interval_s,
            aligned=True,
        )
        yield Station(
            spec,
            seed=options.seed,
            now_s=options.start_s,
            population=population,
            options=station_options,
            faults=tuple(plan for plan in plans if spec.station_id in plan.stations),
            site=sites[spec.site_id],
        )
