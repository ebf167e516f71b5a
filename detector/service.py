"""The running detector: event log in, tickets out.

One thread talks to the records, one transaction at a time; the engine stands still meanwhile, so that states,
tickets and positions are always of one moment. Killed at any point, it resumes exactly there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from detector import remediation
from detector.assembly import make_engine, make_watch
from detector.changes import Change
from detector.desk import Desk
from detector.engine import VISITS
from detector.features import Window
from detector.models import keeper
from detector.models.task import Task
from detector.models.training import read_model, train_apart
from detector.models.trial import PROMOTED, Outcome
from detector.models.watch import Decision, ModelKey, ModelWatch, Need
from detector.notify.notifier import Notifier
from detector.remediator import Remediator
from detector.replay import ReplayDetector
from detector.tickets import ACTOR, policy_of
from laddvakt.clock import utc_now
from laddvakt.domain.errors import ConflictError, StoreUnavailableError
from laddvakt.domain.tickets import Ticket
from laddvakt.domain.times import rfc3339
from laddvakt.eventlog.client import EventLog, Record
from laddvakt.settings import Settings, privacy_key
from laddvakt.stores.ports import Records, Telemetry

if TYPE_CHECKING:
    from detector.models.model import Model

__all__ = ["Detector", "ReplayDetector"]

logger = logging.getLogger(__name__)

CONSUMER = "detector"
CHECKPOINT_S = 2.0
"""Progress without news is stored this often; news at once."""
CHECKPOINT_RECORDS = 500
BEHIND = timedelta(seconds=3)
"""A partition whose newest record is older, and is not followed by silence of this length, is being caught up."""
GIVE_UP_WAITING = timedelta(seconds=15)
"""After a start, timers wait for the log's newest record at most this long after the last one that came: it may
be damaged, or trimmed."""
REGISTRY_S = 60.0
PULSE_S = 2.0
COLLECTOR_LOST = timedelta(seconds=10)
"""Our collector is taken for down when its pulse stays away this long."""

LEARN_S = 60.0
"""How often it is asked whether a model is due."""
KEEP_ROWS = timedelta(minutes=15)
"""How often what is gathered to learn from is stored; a crash loses at most this much of it."""
MOST_ROWS = 2_000
"""Rows that wait to be stored: beyond them they are stored at once. They take some 0.7 KB each."""
T = TypeVar("T")
Clock = Callable[[], datetime]


class _Pulse(msgspec.Struct):
    service: str
    at: datetime


class _Event(msgspec.Struct):
    actor: str


class _Changed(msgspec.Struct):
    """Of a ticket on the live feed, what tells whether we changed it ourselves."""

    ticket_id: str
    events: list[_Event]


class Detector:
    """`run` until cancelled. Raises what it cannot mend itself; whoever supervises starts it anew.

    `telemetry` is not read: what models learn from is gathered from the log itself, so that replay learns alike.
    """

    def __init__(
        self, settings: Settings, records: Records, telemetry: Telemetry, log: EventLog, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._records = records
        self._log = log
        self._clock = clock
        self._key = privacy_key(settings)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="detector-records")
        self._watch = make_watch(settings)
        self._engine = make_engine(settings, self._key, settings.eventlog.partitions, self._watch)
        self._desk = Desk(self._engine.site_of, policy_of(settings.tickets))
        self._rows_kept_at = clock()
        self._target = 0  # the newest log record when we began; until it is applied, timers wait
        self._arrived_at = clock()
        self._positions: dict[int, int] = {}
        self._turn = asyncio.Lock()  # held while the engine or what follows from it is worked on
        self._changes: list[Change] = []
        self._applied: list[Record] = []
        self._committed_at = clock()
        self._newest: dict[int, tuple[datetime, datetime]] = {}  # partition -> newest entry, when it came
        self._collector_at: datetime | None = None
        self._notifier = Notifier(settings, records, clock=clock, in_thread=self._in_thread, changed=self._publish)
        self._remediator = Remediator(
            remediation.policy_of(settings.remediation),
            records,
            log.commands,
            clock=clock,
            in_thread=self._in_thread,
            present=self._present,
            changed=self._publish,
        )

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
                        group.create_task(self._remediator.run())
                        group.create_task(self._learn_for_ever())
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
        watch = make_watch(self._settings)
        engine = make_engine(self._settings, self._key, self._settings.eventlog.partitions, watch)
        desk = Desk(engine.site_of, policy_of(self._settings.tickets))

        def read() -> dict[int, int]:
            with self._records.read() as work:
                engine.register(work.stations.all())
                states = work.detector.load()
                learning = states.pop(keeper.PROGRESS, None)
                engine.restore(states)
                desk.load(work, now, engine.standing())
                if watch is not None:
                    keeper.load(watch, work.detector, learning)
                return work.positions.get(CONSUMER)

        self._positions = await self._in_thread(read)
        engine.listening(now)  # what fell silent while we were away is given its time
        self._engine, self._desk, self._watch = engine, desk, watch
        self._changes, self._applied, self._newest = [], [], {}
        self._committed_at = self._rows_kept_at = self._arrived_at = now
        self._target = await self._log.last_sequence()

    async def _commit(self) -> None:
        """Tickets, states and positions in one transaction; then the world is told."""
        changes, applied = self._changes, self._applied
        states = self._engine.encode(self._engine.take_touched())
        now = self._clock()
        gathered: list[Window] | None = None
        waiting = self._watch.waiting if self._watch is not None else 0
        if now - self._rows_kept_at >= KEEP_ROWS or waiting >= MOST_ROWS:
            states[VISITS] = self._engine.encode_visits()
            gathered = self._watch.take_gathered() if self._watch is not None else None
            self._rows_kept_at = now
        learning = self._watch.encode() if self._watch is not None else b""
        positions = {record.partition: record.sequence for record in applied}

        look = self._caught_up(now) and self._desk.wants_a_look(now)

        def write() -> list[Ticket]:
            with self._records.begin() as work:
                handled = self._desk.handle(changes, work) if changes else []
                looked = self._desk.look(now, work) if look else []
                tickets = list({ticket.ticket_id: ticket for ticket in (*handled, *looked)}.values())
                work.detector.save(states)
                if gathered is not None:
                    keeper.keep_rows(work.detector, gathered, learning, now)
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
        arrived = self._arrived_at = self._clock()
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
        while True:
            async with self._turn:
                now = self._clock()
                self._watch_collector(now)
                if self._caught_up(now):
                    self._take(self._engine.tick(now, behind=self._behind(now)))
                overdue = (now - self._committed_at).total_seconds() >= CHECKPOINT_S
                look = self._caught_up(now) and self._desk.wants_a_look(now)
                if self._changes or (overdue and self._applied) or look:
                    await self._commit()
            await asyncio.sleep(1.0)

    def _caught_up(self, now: datetime) -> bool:
        """Whether what was said while we were away is known, or nothing more of it comes."""
        applied = max([*self._positions.values(), *(record.sequence for record in self._applied)], default=0)
        return applied >= self._target or now - self._arrived_at > GIVE_UP_WAITING

    def _present(self, station_id: str) -> remediation.Present | None:
        """What a station is doing; None while we may not have heard its last word."""
        now, view = self._clock(), self._engine.view(station_id)
        if view is None or not self._caught_up(now) or self._behind(now) or self._engine.blind_since is not None:
            return None
        return remediation.present_of(view, self._engine.findings_of(station_id))

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

    async def _learn_for_ever(self) -> None:
        """Models, when they are due; each trained apart, and kept before it is used."""
        while True:
            await asyncio.sleep(LEARN_S)
            watch, now = self._watch, self._clock()
            if watch is None:
                continue
            async with self._turn:
                decisions = watch.settle(now)
            if decisions:
                await self._in_thread(partial(self._keep_decisions, decisions, now))
            need = watch.due(now)
            if need is not None:
                await self._learn(watch, need, now)

    async def _learn(self, watch: ModelWatch, need: Need, now: datetime) -> None:
        logger.info("training the %s model: %s %s", need.key.name, need.why, need.detail)
        watch.tried(need.key, now)
        task = await self._in_thread(partial(self._plan, need, now))
        data = await train_apart(task, self._rows(need.key, now))
        model = await asyncio.to_thread(read_model, data) if data is not None else None
        if model is None:
            return
        async with self._turn:
            outcome = watch.install(model)
        await self._in_thread(partial(self._keep_model, model, outcome, now))
        use = "is in use" if outcome in PROMOTED else "runs beside the one in use"
        logger.info("the new %s model %s; it flags at p <= %.2g", need.key.name, use, model.info.flag_below)

    def _plan(self, need: Need, now: datetime) -> Task:
        with self._records.read() as work:
            budget = self._settings.detector.false_tickets_per_connector_day
            return keeper.plan(need, work, budget=budget, now=now)

    async def _rows(self, key: ModelKey, now: datetime) -> AsyncIterator[bytes]:
        after = 0
        while page := await self._in_thread(partial(keeper.page_of_rows, self._records, key, now, after)):
            for _, data in page:
                yield data
            after = page[-1][0]

    def _keep_model(self, model: Model, outcome: Outcome, now: datetime) -> None:
        with self._records.begin() as work:
            keeper.keep_model(work.detector, model, outcome, now=now)

    def _keep_decisions(self, decisions: list[Decision], now: datetime) -> None:
        with self._records.begin() as work:
            for decision in decisions:
                keeper.keep_decision(work.detector, decision, now=now)

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
        if kind == "ticket":
            self._on_ticket(data)
        if kind != "pulse":
            return
        try:
            pulse = msgspec.json.decode(data, type=_Pulse)
        except msgspec.MsgspecError:
            logger.warning("a pulse that cannot be read was ignored")
            return
        if pulse.service == "collector":
            self._collector_at = self._clock()

    def _on_ticket(self, data: bytes) -> None:
        """A person changed a ticket. Should the word be lost, the fault's next hourly finding or a restart brings
        it."""
        with contextlib.suppress(msgspec.MsgspecError):
            ticket = msgspec.json.decode(data, type=_Changed)
            if ticket.events and ticket.events[-1].actor != ACTOR:
                self._desk.changed(ticket.ticket_id)

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
