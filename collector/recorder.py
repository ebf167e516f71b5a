"""The recorder: facts to stores. Two readers of the log, so that a slow telemetry server never delays records.

Records: entries and log position in one transaction, so each takes effect exactly once. Telemetry: at least once,
which is the same, since a series and time overwrite.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, ParamSpec, TypeVar

import msgspec
from msgspec.structs import replace

from collector.book import Book
from collector.points import PointMaker, Transaction
from collector.working_set import TariffShelf
from laddvakt.domain.entries import Entry
from laddvakt.domain.errors import ConflictError, EventLogError, StoreError, StoreUnavailableError
from laddvakt.domain.facts import Quarantined, QuarantineReason
from laddvakt.domain.sessions import Session
from laddvakt.domain.stations import Station
from laddvakt.domain.times import rfc3339
from laddvakt.eventlog.client import EventLog, Record
from laddvakt.privacy import pseudonym
from laddvakt.settings import SessionsSettings, Settings, privacy_key
from laddvakt.stores.ports import Point, Records, Telemetry, Work

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

RECORDS = "recorder"
TELEMETRY = "telemetry"
PULSE_S = 1.0
# How long after one transaction the next one begins, if there is anything: meanwhile entries gather, and what a
# transaction costs by itself, and each station and session in it, is shared by more of them.
_GATHER_RECORDS_S = 0.2
_GATHER_TELEMETRY_S = 0.5
_FLUSH_S = 0.2
_FLUSH_MANY_S = 1.0
_MANY = 100  # changed objects in one flush of the feed; beyond it, a wall is as lively as eyes can follow
_HOUSEKEEPING_S = 60.0
_BEHIND_S = 60.0
_IN_STEP = timedelta(minutes=10)
_BACK_OFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)


class Changes(NamedTuple):
    """What a transaction changed."""

    stations: dict[str, Station]
    sessions: dict[str, Session]


class Scribe:
    """Entries into records, synchronously: shared by the service and by replay."""

    def __init__(self, records: Records, privacy_key: str, settings: SessionsSettings | None = None) -> None:
        self._records = records
        self._settings = settings or SessionsSettings()
        self._pseudonym = functools.lru_cache(maxsize=100_000)(functools.partial(pseudonym, privacy_key))
        self._shelf = TariffShelf()

    def apply(self, entries: Sequence[Entry], positions: dict[int, int] | None = None) -> Changes:
        """One transaction. `positions` (partition -> sequence) are stored with it. Raises StoreError."""
        with self._records.begin() as work:
            book = self._book(work)
            book.preload(entry.station_id for entry in entries)
            for entry in entries:
                book.apply(entry)
            book.write()
            for partition, sequence in (positions or {}).items():
                work.positions.advance(RECORDS, partition, sequence)
        return Changes(book.changed_stations, book.changed_sessions)

    def _book(self, work: Work) -> Book:
        return Book(work, pseudonym=self._pseudonym, shelf=self._shelf, settings=self._settings)

    def sweep(self, now: datetime) -> Changes:
        """Closes by estimate the sessions that were silent for too long. Raises StoreError."""
        before = now - timedelta(hours=self._settings.silent_after_h)
        with self._records.read() as work:
            stations = {session.station_id for session in work.sessions.silent(before)}
        if not stations:
            return Changes({}, {})
        with self._records.begin() as work:
            book = self._book(work)
            book.preload(stations)
            book.close_silent(before)
            book.write()
        return Changes(book.changed_stations, book.changed_sessions)

    def forget(self, before: datetime) -> None:
        """What connectors did before is of no figure any more. Raises StoreError."""
        with self._records.begin() as work:
            work.history.forget(before)

    def apply_singly(self, entries: Sequence[Entry], positions: dict[int, int]) -> Changes:
        """For a group that was refused: each entry in its own transaction, so that only the one that cannot be
        recorded is set aside (with the reason) and the rest takes effect. Raises StoreUnavailableError."""
        changed = Changes({}, {})
        for entry in entries:
            try:
                once = self.apply([entry])
            except StoreUnavailableError:
                raise
            except (StoreError, ValueError, OverflowError) as error:
                logger.error("an entry of %s was set aside: %s", entry.station_id, error)
                once = self._set_aside(entry, f"{type(error).__name__}: {error}")
            changed.stations.update(once.stations)
            changed.sessions.update(once.sessions)
        self.apply([], positions)
        return changed

    def _set_aside(self, entry: Entry, why: str) -> Changes:
        fact = Quarantined(at=entry.received_at, reason=QuarantineReason.INTERNAL_ERROR, detail=why[:500])
        try:
            return self.apply([replace(entry, facts=(fact,))])
        except StoreUnavailableError:
            raise
        except (StoreError, ValueError, OverflowError):
            logger.exception("an entry of %s stays in the log alone", entry.station_id)
            return Changes({}, {})


class Recorder:
    """`run` serves until cancelled."""

    def __init__(
        self,
        settings: Settings,
        records: Records,
        telemetry: Telemetry,
        log: EventLog,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._records = records
        self._telemetry = telemetry
        self._log = log
        self._clock = clock
        self._scribe = Scribe(records, privacy_key(settings), settings.sessions)
        self._positions: dict[int, int] = {}
        self._unsent: dict[tuple[str, str], Station | Session] = {}
        self._lag_s = 0.0
        self._behind_at = clock()
        self.applied = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._record())
            group.create_task(self._write_telemetry())
            group.create_task(self._publish())
            group.create_task(self._pulse())
            group.create_task(self._housekeeping())

    async def _record(self) -> None:
        self._positions = await self._retry(self._read_positions, RECORDS)
        async with contextlib.aclosing(self._log.consume(consumer=RECORDS, positions=self._positions)) as groups:
            async for group in groups:
                begun = asyncio.get_running_loop().time()
                await self._apply(group)
                await self._log.done(group)
                await _until(begun + _GATHER_RECORDS_S)

    async def _apply(self, group: list[Record]) -> None:
        """All of the group that is not in the records yet."""
        while fresh := [one for one in group if one.sequence > self._positions.get(one.partition, 0)]:
            try:
                await self._apply_fresh(fresh)
            except ConflictError as error:  # another recorder, or our own former transaction, was faster
                logger.info("%s", error)
                self._positions = await self._retry(self._read_positions, RECORDS)

    async def _apply_fresh(self, fresh: list[Record]) -> None:
        entries = [entry for record in fresh for entry in record.entries]
        positions = {record.partition: record.sequence for record in fresh}
        try:
            changes = await self._retry(self._scribe.apply, entries, positions)
        except (StoreError, ValueError, OverflowError) as error:
            logger.error("a group of %d entries does not go in (%s); one by one", len(entries), error)
            changes = await self._retry(self._scribe.apply_singly, entries, positions)
        self._positions.update(positions)
        self.applied += len(entries)
        now = self._clock()
        self._lag_s = max((now - entries[-1].received_at).total_seconds(), 0.0)
        if self._lag_s > _BEHIND_S:
            self._behind_at = now
        self._announce(changes)

    def _announce(self, changes: Changes) -> None:
        self._unsent.update({("station", station_id): station for station_id, station in changes.stations.items()})
        self._unsent.update({("session", session_id): one for session_id, one in changes.sessions.items()})

    async def _write_telemetry(self) -> None:
        maker = PointMaker()
        positions = await self._retry(self._read_positions, TELEMETRY)
        async with contextlib.aclosing(self._log.consume(consumer=TELEMETRY, positions=positions)) as groups:
            async for group in groups:
                begun = asyncio.get_running_loop().time()
                entries = [entry for record in group for entry in record.entries]
                if unknown := maker.unknown(entries):
                    maker.learn(await self._retry(self._connectors, unknown))
                if points := maker.points(entries):
                    await self._write(points)
                positions = await self._retry(self._save_positions, TELEMETRY, group, positions)
                await self._log.done(group)
                await _until(begun + _GATHER_TELEMETRY_S)

    async def _write(self, points: list[Point]) -> None:
        """All points, or all but those that the store refuses; these stay in the log alone."""
        try:
            await self._retry(self._telemetry.write, points)
        except (StoreError, ValueError, OverflowError):
            for point in points:
                try:
                    await self._retry(self._telemetry.write, [point])
                except (StoreError, ValueError, OverflowError) as error:
                    logger.error("telemetry of %s refused: %s", point.station_id, error)

    async def _retry(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In a worker thread, again and again while the store cannot be reached: the log keeps what waits."""
        attempt = 0
        while True:
            try:
                return await asyncio.to_thread(function, *args, **kwargs)
            except StoreUnavailableError as error:
                wait = _BACK_OFF_S[min(attempt, len(_BACK_OFF_S) - 1)]
                attempt += 1
                logger.warning("store unavailable, again in %.1f s; nothing is lost: %s", wait, error)
                await asyncio.sleep(wait)

    def _read_positions(self, consumer: str) -> dict[int, int]:
        with self._records.read() as work:
            return work.positions.get(consumer)

    def _connectors(self, transactions: set[Transaction]) -> dict[Transaction, int]:
        with self._records.read() as work:
            found = {
                (station, number): work.sessions.by_transaction(station, number)
                for station, number in transactions
            }
        return {transaction: session.connector_id for transaction, session in found.items() if session is not None}

    def _save_positions(self, consumer: str, group: list[Record], former: dict[int, int]) -> dict[int, int]:
        """The positions behind `group`. Where somebody else is there already, theirs."""
        latest = {one.partition: one.sequence for one in group if one.sequence > former.get(one.partition, 0)}
        try:
            with self._records.begin() as work:
                for partition, sequence in latest.items():
                    work.positions.advance(consumer, partition, sequence)
        except ConflictError as error:
            logger.info("%s", error)
            return self._read_positions(consumer)
        return former | latest

    async def _publish(self) -> None:
        """Changes to the live feed, the newest of each object, a few times a second at most."""
        unsent: dict[tuple[str, str], Station | Session] = {}
        while True:
            await asyncio.sleep(_FLUSH_S if len(unsent) < _MANY else _FLUSH_MANY_S)
            unsent, self._unsent = self._unsent, {}
            for (kind, _), changed in unsent.items():
                await self._log.feed.publish(kind, msgspec.json.encode(changed))

    async def _pulse(self) -> None:
        while True:
            pulse = {
                "service": "recorder",
                "at": rfc3339(self._clock()),
                "lag_s": round(self._lag_s, 3),
                "applied": self.applied,
            }
            await self._log.feed.publish("pulse", msgspec.json.encode(pulse))
            self._lag_s = 0.0
            await asyncio.sleep(PULSE_S)

    async def _close_silent(self) -> None:
        """Not while we are behind: what a session said may wait in the log."""
        now = self._clock()
        if self._log.connected and now - self._behind_at > _IN_STEP:
            self._announce(await asyncio.to_thread(self._scribe.sweep, now))

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            try:
                await self._close_silent()
            except StoreError as error:
                logger.warning("silent sessions were not closed: %s", error)
            now = self._clock()
            try:
                kept = timedelta(days=self._settings.records.history_days)
                await asyncio.to_thread(self._scribe.forget, now - kept)
            except StoreError as error:
                logger.warning("old changes of status were not deleted: %s", error)
            before = (now - timedelta(days=self._settings.telemetry.retention_days)).date()
            try:  # what cannot be deleted now can be in a minute; the log must not wait for it
                await asyncio.to_thread(self._telemetry.expire, before)
            except StoreError as error:
                logger.warning("old telemetry was not deleted: %s", error)
            try:
                await self._log.trim()
            except EventLogError as error:
                logger.warning("the event log was not trimmed: %s", error)


async def _until(when: float) -> None:
    await asyncio.sleep(when - asyncio.get_running_loop().time())
