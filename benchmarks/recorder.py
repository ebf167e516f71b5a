"""Entries per second into SQLite records, against the very statements that this wrote, repeated bare.

The bare run has no SQLAlchemy, no domain and no pricing: what it reaches is what this store can do.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine, event

from benchmarks.harness import Result, Row, Size
from benchmarks.load import call, meter_values
from collector.link import Link
from collector.ocpp.action import Policy
from collector.recorder import Scribe
from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import TransactionStarted
from laddvakt.settings import Settings, privacy_key
from laddvakt.stores.ports import Assignment, Records
from laddvakt.stores.sql.engine import open_records

STATIONS = 200
GROUPS = (1000, 50)  # entries in one transaction: catching up, and live
TARIFF = {
    "country_code": "SE",
    "party_id": "LAD",
    "id": "BENCH",
    "currency": "SEK",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 4.0, "vat": 25.0, "step_size": 1}]}],
    "last_updated": "2026-01-01T00:00:00Z",
}
Statement = tuple[str, Any]


class _Speed(NamedTuple):
    ours: float
    bare: float


def price_everything(records: Records, now: datetime) -> None:
    """A tariff for every session."""
    with records.begin() as work:
        work.tariffs.put("BENCH", TARIFF, now=now)
        work.tariffs.save_assignments([Assignment(tariff_id="BENCH", scope="default")])


def _started(now: datetime) -> list[Entry]:
    """Every station with a running session."""
    entries = []
    for number in range(STATIONS):
        link = Link(f"BENCH-{number:05}", "ocpp1.6", Policy())
        stamp = now.isoformat().replace("+00:00", "Z")
        payload = {"connectorId": 1, "idTag": "BENCH", "meterStart": 1_234_567, "timestamp": stamp}
        entries += [link.connected(now), link.receive(call(0, payload, "StartTransaction"), now).entry]
    return entries


def _measured(count: int, since: datetime) -> Iterator[Entry]:
    """The stations in turn, each with a reading every second."""
    links = [Link(f"BENCH-{number:05}", "ocpp1.6", Policy()) for number in range(STATIONS)]
    for number in range(count):
        at = since + timedelta(seconds=1 + number // STATIONS)
        text = call(number, meter_values(number // STATIONS, at))
        yield links[number % STATIONS].receive(text, at).entry


@contextmanager
def _overheard() -> Iterator[list[Statement]]:
    """Every writing statement that SQLAlchemy sends meanwhile."""
    heard: list[Statement] = []

    def listen(_1: object, _2: object, statement: str, parameters: Any, _3: object, many: bool) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            heard.append((statement, parameters if many else [parameters]))

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def _bare(path: Path, transactions: list[list[Statement]]) -> float:
    """Seconds that the statements take with nothing around them."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    begin = time.perf_counter()
    for statements in transactions:
        connection.execute("BEGIN IMMEDIATE")
        for text, rows in statements:
            connection.executemany(text, rows)
        connection.execute("COMMIT")
    took = time.perf_counter() - begin
    connection.close()
    return took


def _once(group: int, count: int, folder: Path) -> tuple[_Speed, int]:
    """Entries per second of both, and how many readings arrived in the records."""
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    settings = Settings(data_dir=folder)
    records = open_records(settings)
    records.migrate()
    price_everything(records, now)
    scribe = Scribe(records, privacy_key(settings))
    started = _started(now)
    assert any(isinstance(fact, TransactionStarted) for entry in started for fact in entry.facts)
    scribe.apply(started, {0: 1})
    entries = list(_measured(count, now))
    groups = [entries[start : start + group] for start in range(0, count, group)]
    transactions: list[list[Statement]] = []
    took = 0.0
    for sequence, some in enumerate(groups, start=2):
        with _overheard() as heard:
            begin = time.perf_counter()
            scribe.apply(some, {0: sequence})
            took += time.perf_counter() - begin
        transactions.append(heard)
    with records.read() as work:
        sessions = work.sessions.unended()
    records.close()
    seen = sum(
        round((session.last_reading_at - now).total_seconds()) for session in sessions if session.last_reading_at
    )
    return _Speed(count / took, count / _bare(folder / "records.sqlite", transactions)), seen


def run(size: Size, folder: Path) -> Result:
    """At most three repeats per group size."""
    repeats = min(size.repeats, 3)
    rows: list[Row] = []
    counted = 0
    for group in GROUPS:
        speeds = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory(dir=folder) as own:
                speed, seen = _once(group, size.entries, Path(own))
            speeds.append(speed)
            counted += seen
        bare = f"bare statements, {group} entries a transaction"
        ours = tuple(round(speed.ours, 1) for speed in speeds)
        rows += [
            Row(name=bare, unit="entries/s", samples=tuple(round(speed.bare, 1) for speed in speeds)),
            Row(name=f"recorder, {group} entries a transaction", unit="entries/s", samples=ours, peers=(bare,)),
        ]
    return Result(
        benchmark="recorder",
        title=f"Recording MeterValues of {STATIONS} sessions into SQLite",
        rows=tuple(rows),
        asked=size.entries * repeats * len(GROUPS),
        counted=counted,
    )
