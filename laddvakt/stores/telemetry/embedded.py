"""Telemetry on one machine: SQLite, one file per UTC day, so that forgetting a day is deleting a file.

Several processes may write and read at once. A late value goes to the file of its own day.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from laddvakt.domain.errors import StoreError, StoreUnavailableError
from laddvakt.stores.ports import Point, Sample
from laddvakt.stores.telemetry.values import checked, microseconds, moment

BUSY_TIMEOUT_S = 30
OPEN_FILES = 8
"""Days kept open: today, and what is being read."""

_DAY_US = 86_400_000_000

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS series (
        id INTEGER PRIMARY KEY, station TEXT NOT NULL, connector INTEGER NOT NULL, source TEXT NOT NULL,
        field TEXT NOT NULL, UNIQUE (station, connector, source, field))""",
    """CREATE TABLE IF NOT EXISTS samples (
        series_id INTEGER NOT NULL, at_us INTEGER NOT NULL, value REAL NOT NULL,
        PRIMARY KEY (series_id, at_us)) WITHOUT ROWID""",
)

_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
}

_Key = tuple[str, int, str, str]  # station, connector, source, field
_Row = tuple[_Key, int, float]


class _Day(NamedTuple):
    """An open file: its connection, the series it is known to hold, and which file on disk it is."""

    connection: sqlite3.Connection
    series: dict[_Key, int]
    inode: int


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = StoreUnavailableError if code in _PASSING else StoreError
        raise kind(f"telemetry file {path}: {error}.", mend="Check the disk and the file's rights.") from error
    except OSError as error:
        raise StoreUnavailableError(f"telemetry file {path}: {error}.", mend="Check the disk.") from error


class EmbeddedTelemetry:
    """See ports.Telemetry. `folder` is created on the first write."""

    def __init__(self, folder: Path, *, open_files: int = OPEN_FILES) -> None:
        self._folder = folder
        self._open_files = open_files
        self._days: OrderedDict[date, _Day] = OrderedDict()
        self._lock = threading.RLock()

    def write(self, points: Iterable[Point]) -> None:
        """One transaction per day touched, fsync'd. Repeating a write that failed half-way is harmless."""
        by_day: dict[date, list[_Row]] = {}
        for point in checked(points):
            at_us = microseconds(point.at)
            rows = by_day.setdefault(moment(at_us).date(), [])
            for field, value in point.values.items():
                rows.append(((point.station_id, point.connector_id, point.source, field), at_us, float(value)))
        with self._lock:
            for day, rows in by_day.items():
                with _translated(self._path(day)):
                    self._write_day(day, rows)

    def _write_day(self, day: date, rows: list[_Row]) -> None:
        opened = self._open(day, create=True)
        if opened is None:
            raise StoreError(f"telemetry file {self._path(day)} vanished while it was opened.")
        connection = opened.connection
        fresh: dict[_Key, int] = {}
        connection.execute("BEGIN IMMEDIATE")
        try:
            for key in {key for key, _, _ in rows} - opened.series.keys():
                fresh[key] = _series_id(connection, key)
            ids = opened.series | fresh if fresh else opened.series
            connection.executemany(
                "INSERT INTO samples VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                [(ids[key], at_us, value) for key, at_us, value in rows],
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        opened.series.update(fresh)  # only now are their numbers true

    def read(
        self,
        *,
        station_id: str,
        connector_id: int | None,
        fields: Sequence[str],
        from_: datetime,
        to: datetime,
        source: str = "ocpp",
        limit: int = 100_000,
    ) -> dict[str, list[Sample]]:
        found: dict[str, list[Sample]] = {field: [] for field in fields}
        start, stop = microseconds(from_), microseconds(to)
        where = "station = ? AND source = ? AND field = ?" + ("" if connector_id is None else " AND connector = ?")
        query = (
            "SELECT at_us, value FROM samples JOIN series ON id = series_id "  # noqa: S608 - constant texts only
            f"WHERE {where} AND at_us >= ? AND at_us < ? ORDER BY at_us, connector LIMIT ?"
        )
        which = () if connector_id is None else (connector_id,)
        for day in self._days_between(start, stop):
            wanted = [field for field, samples in found.items() if len(samples) < limit]
            with self._lock, _translated(self._path(day)):
                opened = self._open(day, create=False) if wanted else None
                for field in wanted if opened else ():
                    room = limit - len(found[field])
                    values = (station_id, source, field, *which, start, stop, room)
                    rows = opened.connection.execute(query, values).fetchall() if opened else []
                    found[field] += [Sample(at=moment(at_us), value=value) for at_us, value in rows]
        return found

    def fields(self, *, station_id: str, from_: datetime, to: datetime) -> set[str]:
        start, stop = microseconds(from_), microseconds(to)
        found: set[str] = set()
        query = (
            "SELECT DISTINCT field FROM series WHERE station = ? AND EXISTS "
            "(SELECT 1 FROM samples WHERE series_id = id AND at_us >= ? AND at_us < ?)"
        )
        for day in self._days_between(start, stop):
            with self._lock, _translated(self._path(day)):
                opened = self._open(day, create=False)
                if opened:
                    found.update(field for (field,) in opened.connection.execute(query, (station_id, start, stop)))
        return found

    def expire(self, before: date) -> None:
        for day in [day for day in self._stored_days() if day < before]:
            with self._lock, _translated(self._path(day)):
                self._shut(day)
                # The journals go first: a new file of that day must never find an old one's.
                for suffix in ("-wal", "-shm", ""):
                    Path(f"{self._path(day)}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            for day in list(self._days):
                self._shut(day)

    def _path(self, day: date) -> Path:
        return self._folder / f"{day.isoformat()}.sqlite"

    def _stored_days(self) -> list[date]:
        days = []
        for path in self._folder.glob("*.sqlite"):
            try:
                days.append(date.fromisoformat(path.stem))
            except ValueError:
                continue  # somebody else's file
        return sorted(days)

    def _days_between(self, start_us: int, stop_us: int) -> list[date]:
        if stop_us <= start_us:
            return []
        first, last = moment(start_us).date(), moment(stop_us - 1).date()
        return [day for day in self._stored_days() if first <= day <= last]

    def _shut(self, day: date) -> None:
        opened = self._days.pop(day, None)
        if opened:
            opened.connection.close()

    def _open(self, day: date, *, create: bool) -> _Day | None:
        """The open file of a day; None when it is not there and not to be created."""
        path, opened = self._path(day), self._days.get(day)
        inode = path.stat().st_ino if path.exists() else None
        if opened and opened.inode == inode:
            self._days.move_to_end(day)
            return opened
        self._shut(day)  # another process has deleted it, or made it anew
        if inode is None and not create:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _prepare(connection)
            opened = self._days[day] = _Day(connection, {}, path.stat().st_ino)
        except BaseException:
            connection.close()
            raise
        while len(self._days) > self._open_files:
            self._shut(next(iter(self._days)))
        return opened


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    for statement in _SCHEMA:
        connection.execute(statement)


def _series_id(connection: sqlite3.Connection, key: _Key) -> int:
    """The number of a series, given out on first sight."""
    connection.execute(
        "INSERT INTO series (station, connector, source, field) VALUES (?,?,?,?) ON CONFLICT DO NOTHING", key
    )
    query = "SELECT id FROM series WHERE station = ? AND connector = ? AND source = ? AND field = ?"
    with closing(connection.execute(query, key)) as cursor:
        return int(cursor.fetchone()[0])
