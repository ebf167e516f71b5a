"""Telemetry on one machine: SQLite, one file per UTC day, so that forgetting a day is deleting a file.

Several processes may write and read at once. A late value goes to the file of its own day.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

from laddvakt.domain.errors import StoreError, StoreUnavailableError
from laddvakt.stores.ports import Point, Sample
from laddvakt.stores.telemetry.dayfile import DayFile, Row
from laddvakt.stores.telemetry.values import checked, microseconds, moment

OPEN_FILES = 8
"""Days kept open: today, and what is being read."""

_DAY_US = 86_400_000_000

_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
}


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
        self._days: OrderedDict[date, DayFile] = OrderedDict()
        self._lock = threading.RLock()

    def write(self, points: Iterable[Point]) -> None:
        """One transaction per day touched, fsync'd. Repeating a write that failed half-way is harmless."""
        by_day: dict[date, list[Row]] = {}
        rows = (_row(point) for point in checked(points) if point.values)
        for number, of_day in groupby(rows, key=lambda row: row.at_us // _DAY_US):
            by_day.setdefault(moment(number * _DAY_US).date(), []).extend(of_day)
        with self._lock:
            for day, its_rows in by_day.items():
                with _translated(self._path(day)):
                    self._write_day(day, its_rows)

    def _write_day(self, day: date, rows: list[Row]) -> None:
        opened = self._open(day, create=True)
        if opened is None:
            raise StoreError(f"telemetry file {self._path(day)} vanished while it was opened.")
        opened.write(rows)

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
        for day in self._days_between(start, stop):
            room = {field: limit - len(samples) for field, samples in found.items() if len(samples) < limit}
            with self._lock, _translated(self._path(day)):
                opened = self._open(day, create=False) if room else None
                values = opened.read(station_id, connector_id, source, room, start, stop) if opened else {}
            for field, samples in values.items():
                found[field] += [Sample(at=moment(at_us), value=value) for at_us, value in samples]
        return found

    def fields(self, *, station_id: str, from_: datetime, to: datetime) -> set[str]:
        start, stop = microseconds(from_), microseconds(to)
        found: set[str] = set()
        for day in self._days_between(start, stop):
            with self._lock, _translated(self._path(day)):
                opened = self._open(day, create=False)
                if opened:
                    found |= opened.fields(station_id, start, stop)
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
            opened.close()

    def _open(self, day: date, *, create: bool) -> DayFile | None:
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
        opened = self._days[day] = DayFile(path, create=create)
        while len(self._days) > self._open_files:
            self._shut(next(iter(self._days)))
        return opened


def _row(point: Point) -> Row:
    device = (point.station_id, point.connector_id, point.source)
    return Row(device, microseconds(point.at), tuple(point.values), tuple(point.values.values()))
