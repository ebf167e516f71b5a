"""Opening the records: SQLite (also in memory) or PostgreSQL, and the units of work over them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import StaticPool

from laddvakt.domain.errors import SettingsError, StoreError, StoreUnavailableError
from laddvakt.privacy import FieldCipher
from laddvakt.settings import Settings, privacy_key
from laddvakt.stores import ports
from laddvakt.stores.sql.commands import SqlCommands
from laddvakt.stores.sql.db import Db, translated
from laddvakt.stores.sql.detector import SqlDetectorStates
from laddvakt.stores.sql.history import SqlHistory
from laddvakt.stores.sql.inventory import SqlInventory
from laddvakt.stores.sql.people import SqlPeople
from laddvakt.stores.sql.positions import SqlPositions
from laddvakt.stores.sql.quarantine import SqlQuarantine
from laddvakt.stores.sql.routes import SqlRoutes
from laddvakt.stores.sql.security_log import SqlSecurityLog
from laddvakt.stores.sql.sessions import SqlSessions
from laddvakt.stores.sql.silences import SqlSilences
from laddvakt.stores.sql.stations import SqlStations
from laddvakt.stores.sql.tariffs import SqlTariffs
from laddvakt.stores.sql.tickets import SqlTickets
from laddvakt.stores.sql.tokens import SqlTokens

BUSY_TIMEOUT_S = 30
"""How long a unit of work waits for another writer before it gives up as unavailable."""

CONNECT_TIMEOUT_S = 10
"""How long a PostgreSQL server may take to answer, unless the URL says otherwise."""

_WRITER_LOCK = 0x1ADD7A47
"""PostgreSQL advisory lock that makes writers queue, as SQLite's BEGIN IMMEDIATE does."""

_MIGRATIONS = Path(__file__).parent / "migrations"


class SqlWork:
    """One transaction; see ports.Work."""

    def __init__(self, db: Db) -> None:
        self.stations: ports.Stations = SqlStations(db)
        self.sessions: ports.Sessions = SqlSessions(db)
        self.tickets: ports.Tickets = SqlTickets(db)
        self.silences: ports.Silences = SqlSilences(db)
        self.tariffs: ports.Tariffs = SqlTariffs(db)
        self.tokens: ports.Tokens = SqlTokens(db)
        self.people: ports.People = SqlPeople(db)
        self.quarantine: ports.Quarantine = SqlQuarantine(db)
        self.inventory: ports.Inventory = SqlInventory(db)
        self.history: ports.History = SqlHistory(db)
        self.security_log: ports.SecurityLog = SqlSecurityLog(db)
        self.commands: ports.Commands = SqlCommands(db)
        self.positions: ports.Positions = SqlPositions(db)
        self.routes: ports.Routes = SqlRoutes(db)
        self.detector: ports.DetectorStates = SqlDetectorStates(db)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise SettingsError(
            "records.url is not a SQLAlchemy URL.", mend="Write for example postgresql://user:password@host/name."
        ) from error
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return parsed
    raise SettingsError(
        f"records.url names {parsed.drivername}, which is not supported.", mend="Use sqlite or postgresql."
    )


def records_file(url: str) -> Path | None:
    """The file of SQLite records; None in memory and elsewhere. Raises SettingsError."""
    parsed = _parse(url)
    on_disk = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(str(parsed.database)) if on_disk else None


def _sqlite(url: URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    engine = sa.create_engine(url, hide_parameters=True, connect_args=arguments, **options)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        # FULL: a committed transaction survives power loss, as its position in the log says it does.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"))

    return engine


def _postgresql(url: URL) -> Engine:
    arguments = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_S}
    engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(f"SET lock_timeout = '{BUSY_TIMEOUT_S}s'")
        connection.commit()

    return engine


class RecordsState(NamedTuple):
    """A database as it is found: `schema` is its revision (None: no schema), `newest` the one that this program
    knows; `foreign`: the schema is of another version of the program. `clock` is the server's, where it has one
    of its own."""

    server: str
    schema: str | None
    newest: str
    foreign: bool
    clock: datetime | None


class SqlRecords:
    """The records in SQLite or PostgreSQL; see ports.Records. `sqlite://` keeps them in memory, for this object
    alone. `currency` stands in where no session has a cost. Call `migrate` once before the first use."""

    def __init__(self, url: str, cipher: FieldCipher, *, currency: str = "EUR") -> None:
        self._url = _parse(url)
        self._cipher = cipher
        self._currency = currency
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = _sqlite(self._url) if self._is_sqlite else _postgresql(self._url)
        # One connection is all there is in memory, so units of work take turns.
        self._turn = threading.Lock() if isinstance(self._engine.pool, StaticPool) else None

    @contextmanager
    def begin(self) -> Iterator[ports.Work]:
        """Read and write. Writers queue, in all processes; one that waits longer than BUSY_TIMEOUT_S gets
        StoreUnavailableError. A unit of work must not be begun inside another."""
        with self._unit({}) as db:
            if not self._is_sqlite:
                db.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER_LOCK)))
            yield SqlWork(db)

    @contextmanager
    def read(self) -> Iterator[ports.Work]:
        """Read only, one snapshot, never waits for writers."""
        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._unit({"sqlite_begin": "BEGIN"} if self._is_sqlite else options) as db:
            if not self._is_sqlite:
                yield SqlWork(db)
                return
            db.execute(sa.text("PRAGMA query_only=ON"))
            try:
                yield SqlWork(db)
            finally:
                db.execute(sa.text("PRAGMA query_only=OFF"))

    @contextmanager
    def _unit(self, options: dict[str, Any]) -> Iterator[Db]:
        with self._my_turn(), translated(), self._engine.connect() as connection:
            db = Db(connection.execution_options(**options), cipher=self._cipher, currency=self._currency)
            with connection.begin():
                yield db
                if db.failed:
                    # PostgreSQL answers COMMIT after an error with a silent ROLLBACK.
                    raise StoreError("a statement of this unit of work failed, so nothing of it was kept.")

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_S):
            raise StoreUnavailableError("the records are busy with another unit of work.", mend="Trying again.")
        try:
            yield
        finally:
            self._turn.release()

    def migrate(self) -> None:
        """Bring the schema up to date in one transaction, one process at a time; the others find it done."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self._my_turn(), translated(), self._engine.connect() as connection, connection.begin():
            if not self._is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER_LOCK)))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StoreError(
                    f"the records cannot be brought up to date: {error}.",
                    mend="They were written by another version of Laddvakt: use that or a later one.",
                ) from error

    def examine(self) -> RecordsState:
        """What is there, changing nothing. Raises StoreError."""
        scripts = ScriptDirectory(str(_MIGRATIONS))
        known = {script.revision for script in scripts.walk_revisions()}
        with self._my_turn(), translated(), self._engine.connect() as connection:
            connection.execution_options(sqlite_begin="BEGIN")
            schema = MigrationContext.configure(connection).get_current_revision()
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
            clock = None if self._is_sqlite else connection.scalar(sa.select(sa.func.clock_timestamp()))
        return RecordsState(
            server=f"{'SQLite' if self._is_sqlite else 'PostgreSQL'} {version}",
            schema=schema,
            newest=scripts.get_current_head() or "",
            foreign=schema is not None and schema not in known,
            clock=clock,
        )

    def close(self) -> None:
        self._engine.dispose()


def open_records(settings: Settings) -> SqlRecords:
    """The records that the settings name. Raises SettingsError for a URL that is not supported. Nothing is
    connected yet, and the schema is the caller's to `migrate`."""
    cipher = FieldCipher(privacy_key(settings))
    return SqlRecords(settings.records_url, cipher, currency=settings.currency)
