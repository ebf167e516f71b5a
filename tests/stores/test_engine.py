"""Opening, migrating, locking and losing the records."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from laddvakt.domain.errors import StoreError, StoreUnavailableError
from laddvakt.domain.stations import Station
from laddvakt.domain.tokens import Driver
from laddvakt.privacy import FieldCipher
from laddvakt.stores.ports import Route, Work
from laddvakt.stores.sql import SqlRecords, engine
from laddvakt.stores.sql.schema import metadata
from tests.support.records import session
from tests.support.servers import free_port, postgres


def store(url: str, key: str = "key") -> SqlRecords:
    return SqlRecords(url, FieldCipher(key))


def test_migrations_build_exactly_the_schema(shared_url: str) -> None:
    records = store(shared_url)
    records.migrate()
    records.close()
    database = sa.create_engine(shared_url)
    with database.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        found = sa.inspect(connection)
        for table in metadata.tables.values():  # what alembic does not compare
            assert {index["name"] for index in found.get_indexes(table.name)} == {i.name for i in table.indexes}
            assert found.get_pk_constraint(table.name)["constrained_columns"] == [
                c.name for c in table.primary_key
            ]
    database.dispose()


def _migrate(url: str, failures: multiprocessing.Queue[str]) -> None:
    try:
        records = store(url)
        records.migrate()
        with records.begin() as work:
            work.stations.save([Station(station_id=f"SE-{multiprocessing.current_process().name}")])
        records.close()
    except Exception as error:
        failures.put(repr(error))


def test_migrate_from_many_processes_at_once(shared_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    failures: multiprocessing.Queue[str] = spawn.Queue()
    processes = [spawn.Process(target=_migrate, args=(shared_url, failures), name=str(n)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert failures.empty(), failures.get()
    records = store(shared_url)
    with records.read() as work:
        assert len(work.stations.all()) == 4
    records.close()


def test_migrate_when_the_schema_is_newer_than_the_code_says_so(shared_url: str) -> None:
    records = store(shared_url)
    records.migrate()
    database = sa.create_engine(shared_url)
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.dispose()
    with pytest.raises(StoreError, match="later one"):
        records.migrate()
    records.close()


def test_use_before_migrate_names_the_command(shared_url: str) -> None:
    records = store(shared_url)
    with pytest.raises(StoreError, match="laddvakt migrate"), records.read() as work:
        work.stations.all()
    records.close()


def test_sqlite_survives_power_loss(tmp_path: Path) -> None:
    records = store(f"sqlite:///{tmp_path}/records.sqlite")
    with records._engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    records.close()
    assert pragmas == ["wal", 2, 1]


def test_begin_when_another_writer_never_ends_is_unavailable(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 1)
    one, other = store(shared_url), store(shared_url)
    one.migrate()
    with one.begin() as work:
        work.sessions.save([session()])
        with pytest.raises(StoreUnavailableError), other.begin():
            raise AssertionError("two writers at once")
    with other.begin() as work:
        assert work.sessions.get("S-1") == session()
    one.close()
    other.close()


def test_memory_when_another_unit_of_work_never_ends_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.05)
    records = store("sqlite://")
    records.migrate()
    refused: list[str] = []

    def try_it() -> None:
        try:
            with records.read():
                pass
        except StoreUnavailableError as error:
            refused.append(str(error))

    with records.begin():
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1
    records.close()


def test_postgresql_that_is_away_is_unavailable_and_comes_back() -> None:
    with postgres() as server:
        records = store(server.url)
        records.migrate()
        server.stop()
        with pytest.raises(StoreUnavailableError), records.begin() as work:
            work.stations.all()
        server.start()
        with records.begin() as work:
            work.stations.save([Station(station_id="SE-1")])
        server.stop()
        server.start()
        with records.read() as work:
            assert work.stations.get("SE-1") == Station(station_id="SE-1")
        records.close()


def test_postgresql_stopped_inside_a_unit_of_work_keeps_nothing() -> None:
    with postgres() as server:
        records = store(server.url)
        records.migrate()
        with pytest.raises(StoreUnavailableError), records.begin() as work:
            work.stations.save([Station(station_id="SE-1")])
            server.stop()
        server.start()
        with records.read() as work:
            assert work.stations.all() == []
        records.close()


def test_nobody_there_is_unavailable() -> None:
    records = store(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        records.migrate()


def test_sqlite_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        store(f"sqlite:///{path}").migrate()


def test_personal_data_and_route_urls_are_sealed_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    records = store(f"sqlite:///{path}")
    records.migrate()
    secrets = ["Anna Andersson", "anna@example.com", "+4670123456", "mailto://bo:hunter2@example.com"]
    with records.begin() as work:
        work.tokens.save_drivers([Driver(driver_id="d", name=secrets[0], email=secrets[1], phone=secrets[2])])
        work.routes.save([Route(route_id="r", urls=(secrets[3],))])
    records.close()
    stored = "\n".join(sqlite3.connect(path).iterdump())
    assert "gAAAA" in stored
    for text in secrets:
        assert text not in stored


def test_another_key_cannot_open_what_is_sealed(shared_url: str) -> None:
    records, other = store(shared_url), store(shared_url, key="another")
    records.migrate()
    with records.begin() as work:
        work.tokens.save_drivers([Driver(driver_id="d", name="Anna")])
        work.routes.save([Route(route_id="r", urls=("json://x",))])
    looks: list[Callable[[Work], object]] = [lambda work: work.tokens.driver("d"), lambda work: work.routes.all()]
    for look in looks:
        with pytest.raises(StoreError, match=r"privacy\.key"), other.read() as work:
            look(work)
    records.close()
    other.close()


def test_errors_do_not_show_the_values(shared_url: str) -> None:
    records = store(shared_url)
    with pytest.raises(StoreError) as caught, records.begin() as work:
        work.tokens.save_drivers([Driver(driver_id="secret-driver")])
    assert "secret-driver" not in str(caught.value) + str(caught.value.__cause__)
    records.close()
