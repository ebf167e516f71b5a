"""Every records test runs on SQLite (file and memory) and PostgreSQL; every telemetry test on memory, day files
and InfluxDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from laddvakt.privacy import FieldCipher
from laddvakt.stores.ports import Telemetry
from laddvakt.stores.sql import SqlRecords
from laddvakt.stores.sql.schema import metadata
from laddvakt.stores.telemetry import EmbeddedTelemetry, MemoryTelemetry
from laddvakt.stores.telemetry.influx import InfluxTelemetry
from tests.support.servers import Postgres


@pytest.fixture(scope="session")
def postgresql_records(postgres_server: Postgres) -> Iterator[SqlRecords]:
    """Migrated once; `records` empties it for each test, which is quicker than making another."""
    store = SqlRecords(postgres_server.fresh(), FieldCipher("key"))
    store.migrate()
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlRecords]:
    """Empty records on each database."""
    if request.param == "postgresql":
        shared: SqlRecords = request.getfixturevalue("postgresql_records")
        with shared._engine.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
        yield shared
        return
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/records.sqlite"
    store = SqlRecords(url, FieldCipher("key"))
    store.migrate()
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database that several processes can open."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records.sqlite"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["memory", "embedded", "influx"])
def telemetry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Telemetry]:
    store: Telemetry
    if request.param == "memory":
        store = MemoryTelemetry()
    elif request.param == "embedded":
        store = EmbeddedTelemetry(tmp_path / "telemetry")
    else:
        url, bucket = request.getfixturevalue("influx_bucket")
        store = InfluxTelemetry(url, token="", org="laddvakt", bucket=bucket)
    yield store
    store.close()
