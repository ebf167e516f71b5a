"""The running detector: event log in, tickets out. And the same machine on virtual time, for replay.

One thread talks to the records, one transaction at a time; the engine stands still meanwhile, so that states,
tickets and positions are always of one moment. Killed at any point, it resumes exactly there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from detector.desk import Desk
from detector.engine import Change, Engine
from detector.notify.notifier import Notifier
from detector.rules import thresholds_for
from laddvakt.clock import utc_now
from laddvakt.domain.entries import Entry
from laddvakt.domain.errors import ConflictError, StoreUnavailableError
from laddvakt.domain.ids import partition_of
from laddvakt.domain.tickets import Ticket
from laddvakt.domain.times import rfc3339
from laddvakt.eventlog.client import EventLog, Record
from laddvakt.privacy import pseudonym
from laddvakt.settings import Settings, privacy_key
from laddvakt.stores.ports import Records, Telemetry

__all__ = ["Detector", "ReplayDetector"]

logger = logging.getLogger(__name__)

CONSUMER = "detector"
CHECKPOINT_S = 2.0
"""Progress without news is stored this often; news at once."""
CHECKPOINT_RECORDS = 500
BEHIND = timedelta(seconds=3)
"""A partition whose newest record is older, and is not followed by silence of this length, is being caught up."""
REGISTRY_S = 60.0
PULSE_S = 2.0
COLLECTOR_LOST = timedelta(seconds=10)
"""Our collector is taken for down when its pulse stays away this long."""

T = TypeVar("T")
Clock = Callable[[], datetime]


class _Pulse(msgspec.Struct):
    service: str
    at: datetime


def make_engine(settings: Settings, key: str, partitions: int) -> Engine:
    """Raises SettingsError for a rule or threshold that does not exist."""
    return Engine(
        thresholds=thresholds_for(settings.detector.rules),
        pseudonymise=lambda id_tag: pseudonym(key, id_tag),
        heartbeat_s=settings.ocpp.heartbeat_interval_s,
        partition_of=lambda station_id: partition_of(station_id, partitions),
    )


class Detector:
    """`run` until cancelled. Raises what it cannot mend itself; whoever supervises starts it anew."""

    def __init__(
        self, settings: Settings, records: Records, telemetry: Telemetry, log: EventLog, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._records = records
        self._telemetry = telemetry
        self._log = log
        self._clock = clock
        self._key = privacy_key(settings)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="detector-records")
        self._engine = make_engine(settings, self._key, settings.eventlog.partitions)
        self._desk = Desk(self._engine.site_of)
        self._positions: dict[int, int] = {}
        self._turn = asyncio.Lock()  # held while the engine or what follows from it is worked on
        self._changes: list[Change] = []
        self._applied: list[Record] = []
        self._committed_at = clock()
        self._newest: dict[int, tuple[datetime, datetime]] = {}  # partition -> newest entry, when it came
        self._collector_at: datetime | None = None
        self._notifier = Notifier(settings, records, clock=clock, in_thread=self._in_thread, changed=self._publish)

    async def run(self) -> None:
        unsubscribe = await self._log.feed.subscribe(self._on_feed)
        try:
            while True:
                await self._load()
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._consume())
                        group.create_task(self._tick_for_ever())
                        group.create_task(self._registry_for_ever())
                        group.create_task(self._pulse_for_ever())
                        group.create_task(self._notifier.run())
                except* ConflictError as errors:
                    logger.warning("another detector was here first, so everything is read again: %s", errors)
        finally:
            with contextlib.suppress(Exception):  # the link may be gone already; then there is nothing to undo
                await unsubscribe()
            self._thread.shutdown(wait=True)

    # Records, from the one thread

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Waits as long as the records are away: without them there is nothing to go on with."""
        delay_s = 0.2
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
            except StoreUnavailableError as error:
                logger.warning("waiting for the records: %s", error)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, 10.0)

    async def _load(self) -> None:
        now = self._clock()
        engine = make_engine(self._settings, self._key, self._settings.eventlog.partitions)
        desk = Desk(engine.site_of)

        def read() -> dict[int, int]:
            with self._records.read() as work:
                engine.register(work.stations.all())
                engine.restore(work.detector.load())
                desk.load(work.tickets, now)
                return work.positions.get(CONSUMER)

        self._positions = await self._in_thread(read)
        engine.listening(now)  # what fell silent while we were away is given its time
        self._engine, self._desk = engine, desk
        self._changes, self._applied, self._newest = [], [], {}
        self._committed_at = now

    async def _commit(self) -> None:
        """Tickets, states and positions in one transaction; then the world is told."""
        changes, applied = self._changes, self._applied
        states = self._engine.encode(self._engine.take_touched())
        positions = {record.partition: record.sequence for record in applied}

        def write() -> list[Ticket]:
            with self._records.begin() as work:
                tickets = self._desk.handle(changes, work.tickets) if changes else []
                work.detector.save(states)
                for partition, sequence in positions.items():
                    work.positions.advance(CONSUMER, partition, sequence)
                return tickets

        tickets = await self._in_thread(write)
        self._changes, self._applied = [], []
        self._positions.update(positions)
        self._committed_at = self._clock()
        for ticket in tickets:
            await self._publish(ticket)
        self._notifier.tell(tickets)
        if applied:
            await self._log.done(applied)

    async def _publish(self, ticket: Ticket) -> None:
        await self._log.feed.publish("ticket", msgspec.json.encode(ticket))

    # What drives it

    async def _consume(self) -> None:
        reader = self._log.consume(consumer=CONSUMER, positions=dict(self._positions))
        async with contextlib.aclosing(reader) as groups:
            async for records in groups:
                async with self._turn:
                    self._observe(records)
                    if self._changes or len(self._applied) >= CHECKPOINT_RECORDS:
                        await self._commit()

    def _observe(self, records: list[Record]) -> None:
        arrived = self._clock()
        for record in records:
            if record.sequence <= self._positions.get(record.partition, 0):
                continue
            if record.entries:
                self._newest[record.partition] = (record.entries[-1].received_at, arrived)
            self._take(self._engine.observe(record.entries))
            self._applied.append(record)

    def _take(self, changes: list[Change]) -> None:
        self._changes += [change for change in changes if self._desk.concerns(change)]

    async def _tick_for_ever(self) -> None:
        """Each second: timers, and what is due to be stored."""
        await asyncio.sleep(BEHIND.total_seconds())  # let the log speak first
        while True:
            async with self._turn:
                now = self._clock()
                self._watch_collector(now)
                self._take(self._engine.tick(now, behind=self._behind(now)))
                overdue = (now - self._committed_at).total_seconds() >= CHECKPOINT_S
                if self._changes or (overdue and self._applied):
                    await self._commit()
            await asyncio.sleep(1.0)

    def _behind(self, now: datetime) -> set[int]:
        return {
            partition
            for partition, (newest, arrived) in self._newest.items()
            if arrived - newest > BEHIND and now - arrived <= BEHIND
        }

    async def _registry_for_ever(self) -> None:
        def read() -> None:
            with self._records.read() as work:
                stations = work.stations.all()
            self._engine.register(stations)

        while True:
            await asyncio.sleep(REGISTRY_S)
            async with self._turn:
                await self._in_thread(read)

    async def _pulse_for_ever(self) -> None:
        while True:
            now = self._clock()
            lag_s = max(
                ((arrived - newest).total_seconds() for newest, arrived in self._newest.values()), default=0
            )
            pulse = {"service": "detector", "at": rfc3339(now), "lag_s": round(max(lag_s, 0.0), 3)}
            await self._log.feed.publish("pulse", msgspec.json.encode(pulse))
            await asyncio.sleep(PULSE_S)

    # Whether we listen at all

    def _on_feed(self, kind: str, data: bytes) -> None:
        if kind != "pulse":
            return
        try:
            pulse = msgspec.json.decode(data, type=_Pulse)
        except msgspec.MsgspecError:
            logger.warning("a pulse that cannot be read was ignored")
            return
        if pulse.service == "collector":
            self._collector_at = self._clock()

    def _watch_collector(self, now: datetime) -> None:
        if self._collector_at is None:
            return  # it never spoke: nothing to conclude
        if now - self._collector_at > COLLECTOR_LOST:
            if self._engine.blind_since is None:
                logger.warning("the collector's pulse is gone: silence of stations means nothing until it is back")
            self._engine.collector_lost(self._collector_at)
        elif self._engine.blind_since is not None:
            logger.info("the collector is back: every station is given its full time anew")
            self._engine.listening(now)


class ReplayDetector:
    """The detector on virtual time: no thread, no log, nobody is told. Tickets go to `records`."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self._records = records
        self._engine = make_engine(settings, settings.privacy.key or "replay", 1)
        self._desk = Desk(self._engine.site_of)
        with records.read() as work:
            self._engine.register(work.stations.all())

    def apply(self, entries: Sequence[Entry], now: datetime) -> None:
        """Entries in the order they were received."""
        self._settle(self._engine.observe(entries))

    def tick(self, now: datetime) -> None:
        self._settle(self._engine.tick(now))

    def finish(self, now: datetime) -> None:
        """The end of the log: what is due by `now` is done, and the states are stored."""
        self.tick(now)
        with self._records.begin() as work:
            work.detector.save(self._engine.encode(self._engine.take_touched()))

    def _settle(self, changes: list[Change]) -> None:
        worth = [change for change in changes if self._desk.concerns(change)]
        if not worth:
            return
        with self._records.begin() as work:
            self._desk.handle(worth, work.tickets)
