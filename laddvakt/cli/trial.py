"""One trial of the detector: a simulated fleet through collector and detector on virtual time, in memory."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import msgspec

from collector.replay import ReplayCollector
from collector.replaylog import LogLine, RecordedAnswers
from detector.evaluation.matching import deadline
from detector.evaluation.reasons import Ear, Wanted
from detector.evaluation.truth import Alarm, Truth, alarms_of
from detector.features import Window
from detector.models.watch import ModelWatch
from detector.replay import ReplayDetector
from detector.view import ScoredWindow
from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import TransactionStarted
from laddvakt.domain.silences import Silence, SilenceScope
from laddvakt.domain.stations import Connector, Station
from laddvakt.settings import Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from simulator.spec import StationSpec
from simulator.world import Line, LogOptions, World

_CHUNK = 2000
_TICK = timedelta(minutes=1)
_ANSWERED_WITHIN_S = 30.0  # of virtual time: the simulated central system answers at once


class Visit(msgspec.Struct, frozen=True):
    """A session that began: what there was to see."""

    station_id: str
    connector_id: int
    at: datetime
    id_tag: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one seed: the truth, the alarms, and what it cost (seconds of processor time by stage)."""

    truth: Truth
    alarms: list[Alarm]
    site_of: dict[str, str]
    connectors: int
    messages: int
    visits: list[Visit]
    cost_s: dict[str, float]
    ear: Ear
    stations: dict[str, Station]
    rows: list[Window]  # what the forests were asked to judge, where they were gathered

    def opportunities(self) -> dict[int, tuple[int, int]]:
        """By fault: sessions that began on its connector (or station) while it lasted and a ticket was in
        time, and of how many tokens."""
        found = {}
        for number, fault in enumerate(self.truth.faults):
            until = min(fault.until or self.truth.until, deadline(fault))
            mine = [
                visit.id_tag
                for visit in self.visits
                if visit.station_id in (fault.station_id, *fault.stations)
                and fault.connector_id in (None, visit.connector_id)
                and fault.since <= visit.at < until
            ]
            found[number] = (len(mine), len(set(mine)))
        return found


class _Gathering(ModelWatch):
    """The models' watch, which keeps what it was asked to judge."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(train_after=timedelta(hours=settings.detector.train_after_hours))
        self.rows: list[Window] = []

    def take_all(self, windows: Sequence[Window], suspects: Sequence[bool]) -> list[ScoredWindow | None]:
        self.rows += windows
        return super().take_all(windows, suspects)


def run_trial(options: LogOptions, settings: Settings, *, explain: bool = False, gather: bool = False) -> Outcome:
    """Simulate, collect, detect. The detector is given nameplates and messages, nothing else. `explain`: its
    rules are listened to while there is something to find. `gather`: rows are kept for other ways to judge."""
    world = World(options)
    stations = [station_of(spec) for spec in world.specs]
    records = open_records(settings)
    try:
        records.migrate()
        with records.begin() as work:
            work.stations.save(stations)
            for silence in planned_work(world):
                work.silences.save(silence)
        watch = _Gathering(settings) if gather and settings.detector.forest else None
        ear = Ear(_wanted(world) if explain else ())
        run = _Run(world, ReplayDetector(settings, records, seen=ear.on, watch=watch))
        run.go()
        alarms = alarms_of(_tickets(records))
    finally:
        records.close()
    return Outcome(
        truth=msgspec.convert(world.truth(), Truth),
        alarms=alarms,
        site_of={station.station_id: station.site_id for station in stations if station.site_id},
        connectors=sum(len(station.connectors) for station in stations),
        messages=run.messages,
        visits=run.visits,
        cost_s=dict(run.cost_s),
        ear=ear,
        stations={station.station_id: station for station in stations},
        rows=watch.rows if watch is not None else [],
    )


def planned_work(world: World) -> Iterator[Silence]:
    """What operators wrote down beforehand: when people would be at a station. The one thing beside nameplates and
    messages that a detector is told."""
    for number, plan in enumerate(world.likes):
        if plan.fault == "planned_maintenance" and plan.until_s is not None:
            yield Silence(
                silence_id=f"planned-{number}",
                scope=SilenceScope.STATION,
                target=plan.station_id,
                from_=datetime.fromtimestamp(plan.since_s, UTC),
                until=datetime.fromtimestamp(plan.until_s, UTC),
                reason="Planned work.",
                created_by="operator",
                created_at=datetime.fromtimestamp(world.options.start_s, UTC),
            )


def _wanted(world: World) -> Iterator[Wanted]:
    end_s = world.options.until_s
    for number, plan in enumerate(world.plans):
        until_s = min(plan.until_s or end_s, end_s)
        yield Wanted(
            number=number,
            fault=plan.fault,
            stations=plan.stations,
            connector_id=plan.connector_id,
            since=datetime.fromtimestamp(plan.since_s, UTC),
            until=datetime.fromtimestamp(until_s, UTC),
        )


class _Run:
    def __init__(self, world: World, detector: ReplayDetector) -> None:
        self._world = world
        self._detector = detector
        self._answers = RecordedAnswers()
        self._collector = ReplayCollector(self._answers)
        self._now: datetime | None = None
        self.messages = 0
        self.visits: list[Visit] = []
        self.cost_s: dict[str, float] = defaultdict(float)

    def go(self) -> None:
        lines = self._ahead(self._world.lines())
        while chunk := self._timed("simulate", lambda: list(islice(lines, _CHUNK))):
            entries = self._timed("collect", lambda chunk=chunk: self._collect(chunk))
            self._timed("detect", lambda entries=entries: self._detect(entries))
            self.messages += len(chunk)
        if self._now is not None:
            end = datetime.fromtimestamp(self._world.options.until_s, UTC)
            self._timed("detect", lambda: self._detector.finish(end))

    def _timed(self, stage: str, work: Any) -> Any:
        began = time.process_time()
        done = work()
        self.cost_s[stage] += time.process_time() - began
        return done

    def _ahead(self, lines: Iterator[Line]) -> Iterator[tuple[int, LogLine]]:
        """Lines, each after the answers to it are known: a start's transaction id comes with its reply."""
        waiting: deque[tuple[float, int, LogLine]] = deque()
        for number, line in enumerate(lines, 1):
            read = _read(line)
            if read.direction == "out":
                self._answers.note(number, read)
            waiting.append((line.received_s, number, read))
            while waiting[0][0] < line.received_s - _ANSWERED_WITHIN_S:
                _, first, oldest = waiting.popleft()
                yield first, oldest
        for _, number, read in waiting:
            yield number, read

    def _collect(self, chunk: list[tuple[int, LogLine]]) -> list[Entry]:
        return [entry for number, line in chunk for entry in self._collector.entries_of(number, line)]

    def _detect(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._advance(entry.received_at)
            self._detector.apply([entry], entry.received_at)
            for fact in entry.facts:
                if isinstance(fact, TransactionStarted):
                    self.visits.append(
                        Visit(entry.station_id, fact.connector_id, entry.received_at, fact.id_tag or "")
                    )

    def _advance(self, to: datetime) -> None:
        self._now = self._now or to
        while self._now + _TICK <= to:
            self._now += _TICK
            self._detector.tick(self._now)


def _read(line: Line) -> LogLine:
    return LogLine(
        received_at=datetime.fromtimestamp(line.received_s, UTC),
        kind=line.kind,  # type: ignore[arg-type]  # the simulator writes no others
        station_id=line.station_id,
        protocol=line.protocol,
        direction="out" if line.direction == "out" else "in",
        frame=line.frame,
        topic=line.topic,
        payload="" if line.payload is None else msgspec.json.encode(line.payload).decode(),
    )


def station_of(spec: StationSpec) -> Station:
    """What a network file says of a simulated station."""
    return Station(
        station_id=spec.station_id,
        site_id=spec.site_id or None,
        vendor=spec.vendor,
        model=spec.model,
        max_power_w=spec.max_power_w,
        phases=spec.phases,
        current=spec.current,
        registered=True,
        connectors=tuple(
            Connector(
                connector_id=connector.connector_id,
                type=connector.type,
                max_current_a=connector.max_current_a,
                max_power_w=connector.max_power_w,
                cable_id=connector.cable_id,
            )
            for connector in spec.connectors
        ),
    )


def _tickets(records: Records) -> Iterator[Any]:
    after = None
    while True:
        with records.read() as work:
            page = work.tickets.page(after=after, limit=500)
        yield from page.items
        after = page.next
        if after is None:
            return
