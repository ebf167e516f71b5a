"""One day of telemetry in an SQLite file: a row for each device and moment, its values packed side by side.

A row a value would be eight times the rows, the index entries and the pages to write for one message of eight
samples. Which fields a row holds says its layout; devices send few different ones.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from pathlib import Path
from struct import Struct
from typing import NamedTuple, TypeVar

BUSY_TIMEOUT_S = 30

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS devices (
        id INTEGER PRIMARY KEY, station TEXT NOT NULL, connector INTEGER NOT NULL, source TEXT NOT NULL,
        UNIQUE (station, connector, source))""",
    "CREATE TABLE IF NOT EXISTS layouts (id INTEGER PRIMARY KEY, fields TEXT NOT NULL UNIQUE)",
    """CREATE TABLE IF NOT EXISTS points (
        device_id INTEGER NOT NULL, at_us INTEGER NOT NULL, layout_id INTEGER NOT NULL, packed BLOB NOT NULL,
        PRIMARY KEY (device_id, at_us)) WITHOUT ROWID""",
)

Device = tuple[str, int, str]
"""Station, connector, source."""

Fields = tuple[str, ...]


K = TypeVar("K")


class Row(NamedTuple):
    """What one device said at one moment."""

    device: Device
    at_us: int
    fields: Fields
    values: tuple[float, ...]


class DayFile:
    """An open file. Several processes may have it open. sqlite3's errors are the caller's to translate."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        self._devices: dict[Device, int] = {}
        self._layouts: dict[Fields, int] = {}
        try:
            self._prepare()
            self.inode = path.stat().st_ino
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        # FULL: the position in the log, which is kept elsewhere, says that these values are safe.
        self._connection.execute("PRAGMA synchronous=FULL")
        for statement in _SCHEMA:
            self._connection.execute(statement)
        self._convert_former()

    def close(self) -> None:
        self._connection.close()

    def write(self, rows: Sequence[Row]) -> None:
        """All or nothing, fsync'd. The same device, moment and field again overwrites."""
        with self._transaction():
            devices = _with_new(self._devices, {row.device for row in rows}, self._device_id)
            layouts = _with_new(self._layouts, {row.fields for row in rows}, self._layout_id)
            written = self._connection.executemany(
                "INSERT INTO points VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(devices[row.device], row.at_us, layouts[row.fields], _pack(row.values)) for row in rows],
            )
            if written.rowcount < len(rows):
                for row in rows:
                    self._merge(devices[row.device], row)
        self._devices, self._layouts = devices, layouts  # only now are their numbers true

    def _merge(self, device: int, row: Row) -> None:
        """Puts a row over what is stored of the same moment."""
        query = (
            "SELECT fields, packed FROM points JOIN layouts ON id = layout_id WHERE device_id = ? AND at_us = ?"
        )
        fields, packed = self._connection.execute(query, (device, row.at_us)).fetchone()
        stored = dict(zip(json.loads(fields), _unpack(packed), strict=True))
        values = stored | dict(zip(row.fields, row.values, strict=True))
        if values != stored:
            self._connection.execute(
                "UPDATE points SET layout_id = ?, packed = ? WHERE device_id = ? AND at_us = ?",
                (self._layout_id(tuple(values)), _pack(tuple(values.values())), device, row.at_us),
            )

    def read(
        self, station: str, connector: int | None, source: str, room: dict[str, int], start_us: int, stop_us: int
    ) -> dict[str, list[tuple[int, float]]]:
        """Moments and values of each field of `room`, at most so many, oldest first, within [start, stop)."""
        found: dict[str, list[tuple[int, float]]] = {field: [] for field in room}
        places = {
            layout: here
            for layout, fields in self._all_layouts()
            if (
                here := [(place, found[field], room[field]) for place, field in enumerate(fields) if field in room]
            )
        }
        which = () if connector is None else (connector,)
        query = (
            "SELECT at_us, layout_id, packed FROM points JOIN devices ON id = device_id "  # noqa: S608 - constants
            f"WHERE station = ? AND source = ? {'AND connector = ?' * len(which)} AND at_us >= ? AND at_us < ? "
            f"AND layout_id IN ({','.join('?' * len(places))}) ORDER BY at_us, connector"
        )
        given = (station, source, *which, start_us, stop_us, *places)
        for at_us, layout, packed in self._connection.execute(query, given):
            numbers = _unpack(packed)
            for place, samples, most in places[layout]:
                if len(samples) < most:
                    samples.append((at_us, numbers[place]))
            if all(len(found[field]) >= most for field, most in room.items()):
                break
        return found

    def fields(self, station: str, start_us: int, stop_us: int) -> set[str]:
        query = (
            "SELECT fields FROM layouts WHERE id IN (SELECT layout_id FROM points JOIN devices "
            "ON devices.id = device_id WHERE station = ? AND at_us >= ? AND at_us < ?)"
        )
        rows = self._connection.execute(query, (station, start_us, stop_us))
        return {field for (fields,) in rows for field in json.loads(fields)}

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _all_layouts(self) -> list[tuple[int, Fields]]:
        rows = self._connection.execute("SELECT id, fields FROM layouts").fetchall()
        return [(number, tuple(json.loads(fields))) for number, fields in rows]

    def _device_id(self, device: Device) -> int:
        """The number of a device, given out on first sight."""
        add = "INSERT INTO devices (station, connector, source) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        self._connection.execute(add, device)
        query = "SELECT id FROM devices WHERE station = ? AND connector = ? AND source = ?"
        return int(self._connection.execute(query, device).fetchone()[0])

    def _layout_id(self, fields: Fields) -> int:
        text = json.dumps(fields)
        self._connection.execute("INSERT INTO layouts (fields) VALUES (?) ON CONFLICT DO NOTHING", (text,))
        return int(self._connection.execute("SELECT id FROM layouts WHERE fields = ?", (text,)).fetchone()[0])

    def _convert_former(self) -> None:
        """Turns the tables of the first layout, a row for each value, into these."""
        if not self._has_former():
            return
        query = (
            "SELECT station, connector, source, at_us, field, value FROM samples JOIN series ON id = series_id "
            "ORDER BY station, connector, source, at_us"
        )
        with self._transaction():
            if not self._has_former():
                return  # another process did it while we waited
            values = self._connection.execute(query).fetchall()
            for (*device, at_us), moment in groupby(values, key=lambda value: value[:4]):
                fields, numbers = zip(*((field, number) for *_, field, number in moment), strict=True)
                ids = (self._device_id(tuple(device)), at_us, self._layout_id(fields))
                self._connection.execute("INSERT INTO points VALUES (?, ?, ?, ?)", (*ids, _pack(numbers)))
            self._connection.execute("DROP TABLE samples")
            self._connection.execute("DROP TABLE series")

    def _has_former(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'samples'"
        return self._connection.execute(query).fetchone() is not None


def _with_new(known: dict[K, int], wanted: set[K], number: Callable[[K], int]) -> dict[K, int]:
    fresh = {key: number(key) for key in wanted - known.keys()}
    return known | fresh if fresh else known


@cache  # as many as there are lengths of messages
def _doubles(count: int) -> Struct:
    return Struct(f"<{count}d")


def _pack(values: tuple[float, ...]) -> bytes:
    return _doubles(len(values)).pack(*values)


def _unpack(packed: bytes) -> tuple[float, ...]:
    return _doubles(len(packed) // 8).unpack(packed)
