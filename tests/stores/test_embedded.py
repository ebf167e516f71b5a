"""The embedded telemetry: files, retention, other processes, power cuts."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laddvakt.domain.errors import StoreUnavailableError
from laddvakt.stores.ports import Point
from laddvakt.stores.telemetry import EmbeddedTelemetry, MemoryTelemetry

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def point(at: datetime, value: float = 1.0, station_id: str = "SE-1") -> Point:
    return Point(station_id=station_id, connector_id=1, source="ocpp", at=at, values={"power_w": value})


def values(store: EmbeddedTelemetry, station_id: str = "SE-1") -> list[float]:
    found = store.read(
        station_id=station_id, connector_id=1, fields=["power_w"], from_=NOON - 99 * DAY, to=NOON + 99 * DAY
    )
    return [sample.value for sample in found["power_w"]]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_file_per_utc_day_and_a_bounded_number_open(tmp_path: Path) -> None:
    store = EmbeddedTelemetry(tmp_path, open_files=2)
    for n in range(5):
        store.write([point(NOON + n * DAY, n)])
    assert len([name for name in files(tmp_path) if name.endswith("-wal")]) == 2
    assert values(store) == [0.0, 1.0, 2.0, 3.0, 4.0]
    store.close()
    assert files(tmp_path) == [f"2026-11-{day}.sqlite" for day in range(21, 26)]


def test_expire_deletes_files_of_former_days_only(tmp_path: Path) -> None:
    store = EmbeddedTelemetry(tmp_path)
    store.write([point(NOON + n * DAY, n) for n in range(4)])
    (tmp_path / "notes.sqlite").write_text("not ours")
    store.expire(date(2026, 11, 23))
    assert values(store) == [2.0, 3.0]
    store.close()
    assert files(tmp_path) == ["2026-11-23.sqlite", "2026-11-24.sqlite", "notes.sqlite"]


def test_reading_creates_nothing(tmp_path: Path) -> None:
    store = EmbeddedTelemetry(tmp_path / "telemetry")
    assert values(store) == []
    assert not (tmp_path / "telemetry").exists()


def test_two_stores_on_one_folder_see_each_other(tmp_path: Path) -> None:
    one, other = EmbeddedTelemetry(tmp_path), EmbeddedTelemetry(tmp_path)
    one.write([point(NOON, 1.0)])
    other.write([point(NOON + timedelta(seconds=1), 2.0), point(NOON, 9.0, "SE-2")])
    one.write([point(NOON + timedelta(seconds=2), 3.0), point(NOON, 8.0, "SE-3")])
    assert values(one) == values(other) == [1.0, 2.0, 3.0]
    assert (values(one, "SE-2"), values(other, "SE-3")) == ([9.0], [8.0])


def test_a_file_deleted_and_made_anew_by_another_is_opened_anew(tmp_path: Path) -> None:
    one, other = EmbeddedTelemetry(tmp_path), EmbeddedTelemetry(tmp_path)
    one.write([point(NOON, 1.0)])
    assert values(other) == [1.0]
    one.expire(date(2026, 12, 1))
    assert values(other) == []
    one.write([point(NOON + timedelta(hours=1), 2.0)])
    assert values(other) == [2.0]
    other.write([point(NOON, 3.0)])
    assert values(one) == [3.0, 2.0]


def test_many_threads_write_at_once(tmp_path: Path) -> None:
    stores = [EmbeddedTelemetry(tmp_path), EmbeddedTelemetry(tmp_path)]

    def write(which: int) -> None:
        for n in range(20):
            stores[which % 2].write([point(NOON + timedelta(seconds=n), n, f"SE-{which}")])

    threads = [threading.Thread(target=write, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for which in range(4):
        assert values(stores[0], f"SE-{which}") == [float(n) for n in range(20)]


def test_a_write_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    store = EmbeddedTelemetry(tmp_path)
    store.write([point(NOON, 1.0)])
    with pytest.raises((OverflowError, ValueError)):
        store.write([point(NOON, 2.0), point(NOON, 3.0, "SE-2"), point(NOON, 4.0, "\ud800")])
    assert (values(store), values(store, "SE-2")) == ([1.0], [])
    store.write([point(NOON, 3.0, "SE-2")])
    assert values(store, "SE-2") == [3.0]


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = EmbeddedTelemetry(tmp_path / "file" / "telemetry")
    with pytest.raises(StoreUnavailableError, match=r"2026-11-21\.sqlite"):
        store.write([point(NOON)])


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    from laddvakt.domain.errors import StoreError

    (tmp_path / "2026-11-21.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        EmbeddedTelemetry(tmp_path).write([point(NOON)])


def test_a_file_with_a_row_for_each_value_is_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "2026-11-21.sqlite", isolation_level=None)) as former:
        former.executescript(
            """
            CREATE TABLE series (
                id INTEGER PRIMARY KEY, station TEXT, connector INTEGER, source TEXT, field TEXT);
            CREATE TABLE samples (
                series_id INTEGER, at_us INTEGER, value REAL, PRIMARY KEY (series_id, at_us)) WITHOUT ROWID;
            INSERT INTO series VALUES (1, 'SE-1', 1, 'ocpp', 'power_w'), (2, 'SE-1', 1, 'ocpp', 'energy_wh');
            """
        )
        noon_us = int(NOON.timestamp()) * 1_000_000
        former.executemany(
            "INSERT INTO samples VALUES (?, ?, ?)", [(1, noon_us, 5.0), (2, noon_us, 9.0), (1, noon_us + 1, 6.0)]
        )
    store = EmbeddedTelemetry(tmp_path)
    assert values(store) == [5.0, 6.0]
    assert store.fields(station_id="SE-1", from_=NOON, to=NOON + DAY) == {"power_w", "energy_wh"}
    store.write([point(NOON, 7.0)])
    assert values(EmbeddedTelemetry(tmp_path)) == [7.0, 6.0]


_POINTS = st.builds(
    Point,
    station_id=st.sampled_from(["SE-1", "SE-2"]),
    connector_id=st.integers(0, 1),
    source=st.sampled_from(["ocpp", "mqtt"]),
    at=st.sampled_from([NOON, NOON + timedelta(seconds=1), NOON + DAY]),
    values=st.dictionaries(st.sampled_from(["power_w", "energy_wh", "soc_pct"]), st.integers(0, 9).map(float)),
)


@settings(max_examples=25)  # each writes real files
@given(st.lists(st.lists(_POINTS, max_size=6), max_size=6))
def test_any_writes_read_as_they_do_from_memory(batches: list[list[Point]]) -> None:
    fields = ["power_w", "energy_wh", "soc_pct"]
    with tempfile.TemporaryDirectory() as folder:
        stores = EmbeddedTelemetry(Path(folder)), MemoryTelemetry()
        for store in stores:
            for batch in batches:
                store.write(batch)
        for connector in (None, 0, 1):
            for limit in (1, 3, 99):
                one, other = (
                    store.read(
                        station_id="SE-1",
                        connector_id=connector,
                        fields=fields,
                        from_=NOON,
                        to=NOON + 2 * DAY,
                        limit=limit,
                    )
                    for store in stores
                )
                assert one == other
        stores[0].close()
