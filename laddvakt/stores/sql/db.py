"""One transaction's connection: the few verbs that the aggregates are written in, and the one place where a
driver's error becomes ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Row

from laddvakt.domain.errors import StoreError, StoreUnavailableError
from laddvakt.privacy import FieldCipher
from laddvakt.stores.sql.types import escape_text

CHUNK = 500
"""Values per IN list: far below the variable limits of both databases (SQLite 32766, PostgreSQL 65535)."""

_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
}

T = TypeVar("T")

Change = tuple[tuple[Any, ...], Mapping[str, Any]]
"""The primary key of a row, and the columns that change."""


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """`values` in lists of at most `size`."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def changed_fields(before: msgspec.Struct, after: msgspec.Struct) -> dict[str, Any]:
    """The fields of `after` that differ."""
    pairs = zip(
        after.__struct_fields__, msgspec.structs.astuple(before), msgspec.structs.astuple(after), strict=True
    )
    return {name: new for name, old, new in pairs if new is not old and new != old}


def _is_passing(error: exc.DBAPIError) -> bool:
    """Whether the same work may succeed later: the server is away, the file is locked, the disk is full."""
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in _PASSING
    return isinstance(error, exc.OperationalError | exc.InterfaceError)


def _explain(error: exc.DBAPIError) -> StoreError:
    said = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
    if _is_passing(error):
        return StoreUnavailableError(f"the records cannot be reached: {said}.", mend="Trying again.")
    missing = "no such table" in said or "does not exist" in said or "no such column" in said
    mend = "Run `laddvakt migrate`." if missing else ""
    return StoreError(f"the records refused the work: {said}.", mend=mend)


@contextmanager
def translated() -> Iterator[None]:
    """Drivers' errors as StoreError or StoreUnavailableError; refused values as ValueError."""
    try:
        yield
    except exc.DataError as error:
        raise ValueError(f"the records cannot hold a value: {str(error.orig).splitlines()[0]}") from error
    except exc.DBAPIError as error:
        raise _explain(error) from error
    except exc.TimeoutError as error:
        raise StoreUnavailableError(
            "the records cannot be reached: all connections are taken.", mend="Trying again."
        ) from error
    except exc.StatementError as error:
        if isinstance(error.orig, ValueError | TypeError):
            raise ValueError(str(error.orig)) from error
        raise StoreError(f"the records refused the work: {error.orig}.") from error
    except OverflowError as error:  # sqlite3, for an integer beyond 64 bits
        raise ValueError(f"a number is too large for the records: {error}") from error


def _insert(table: sa.Table, for_postgresql: bool) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if for_postgresql else sqlite.insert(table)


@cache  # of the few tables there are: making the statement costs as much as executing it
def _upsert(table: sa.Table, names: tuple[str, ...], for_postgresql: bool) -> sa.Executable:
    keys = [column.name for column in table.primary_key]
    insert = _insert(table, for_postgresql)
    changed = {name: insert.excluded[name] for name in names if name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=changed)


class _Update(NamedTuple):
    """A statement in the driver's own words, and what makes each of its values one of the driver's."""

    text: str
    encoders: tuple[Callable[[Any], Any] | None, ...]

    def encoded(self, row: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(encode(value) if encode else value for encode, value in zip(self.encoders, row, strict=True))


@cache  # of the few sets of columns that change together
def _update(table: sa.Table, names: tuple[str, ...], dialect: Dialect) -> _Update:
    keys = tuple(column.name for column in table.primary_key)
    mark = {"qmark": "?", "pyformat": "%s"}[dialect.paramstyle]
    quote = dialect.identifier_preparer.quote
    changed = ", ".join(f"{quote(name)} = {mark}" for name in names)
    where = " AND ".join(f"{quote(name)} = {mark}" for name in keys)
    types = [table.c[name].type.dialect_impl(dialect) for name in (*names, *keys)]
    text = f"UPDATE {dialect.identifier_preparer.format_table(table)} SET {changed} WHERE {where}"  # noqa: S608 - our own schema's names
    return _Update(text, tuple(kind.bind_processor(dialect) for kind in types))


class _Selection(NamedTuple):
    """The same for rows that are read."""

    text: str
    names: tuple[str, ...]
    decoders: tuple[tuple[str, Callable[[Any], Any]], ...]

    def decoded(self, row: Sequence[Any]) -> dict[str, Any]:
        fields = dict(zip(self.names, row, strict=True))
        for name, decode in self.decoders:
            if fields[name] is not None:
                fields[name] = decode(fields[name])
        return fields


@cache  # of the few columns that are looked up for each message, and some lengths of lists
def _selection(
    columns: tuple[sa.Column[Any], ...], key: sa.Column[Any], count: int, and_: str, dialect: Dialect
) -> _Selection:
    quote = dialect.identifier_preparer.quote
    names = tuple(column.name for column in columns)
    marks = ", ".join([{"qmark": "?", "pyformat": "%s"}[dialect.paramstyle]] * count)
    table = dialect.identifier_preparer.format_table(columns[0].table)
    where = f"{quote(key.name)} IN ({marks}){and_ and ' AND ' + and_}"
    text = f"SELECT {', '.join(map(quote, names))} FROM {table} WHERE {where}"  # noqa: S608 - our own schema's names
    readers = [
        (column.name, column.type.dialect_impl(dialect).result_processor(dialect, None)) for column in columns
    ]
    return _Selection(text, names, tuple((name, reader) for name, reader in readers if reader is not None))


class Db:
    """A connection inside a transaction. `currency` stands in where a session has no cost."""

    def __init__(self, connection: Connection, *, cipher: FieldCipher, currency: str) -> None:
        self._connection = connection
        self.cipher = cipher
        self.currency = currency
        self.failed = False

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with translated():
                yield
        except Exception:
            self.failed = True
            raise

    def all(self, statement: sa.Executable) -> Sequence[Row[Any]]:
        with self._guarded():
            return self._connection.execute(statement).all()

    def among(
        self, columns: tuple[sa.Column[Any], ...], key: sa.Column[Any], values: Iterable[str], and_: str = ""
    ) -> list[dict[str, Any]]:
        """Rows of one table whose `key` is among `values`, in no order, by column name. Past SQLAlchemy's handling
        of single values, as `update` is. `and_` is a further condition, in SQL."""
        found: list[dict[str, Any]] = []
        for chunk in chunks(dict.fromkeys(values)):
            # Lists of 1, 2, 4... values: few different statements. The last value more than once changes nothing.
            padded = chunk + chunk[-1:] * ((1 << (len(chunk) - 1).bit_length()) - len(chunk))
            selection = _selection(columns, key, len(padded), and_, self._connection.dialect)
            with self._guarded():
                rows = self._connection.exec_driver_sql(selection.text, tuple(map(escape_text, padded))).all()
                found += map(selection.decoded, rows)
        return found

    def first(self, statement: sa.Executable) -> Row[Any] | None:
        with self._guarded():
            return self._connection.execute(statement).first()

    def execute(self, statement: sa.Executable) -> int:
        """The number of rows that were touched."""
        with self._guarded():
            return self._connection.execute(statement).rowcount

    def insert(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            with self._guarded():
                self._connection.execute(table.insert(), list(rows))

    def insert_new(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert; a row whose primary key is there already is left as it is."""
        if rows:
            with self._guarded():
                self._connection.execute(_insert(table, self.postgresql).on_conflict_do_nothing(), list(rows))

    def upsert(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert or replace by primary key; columns that the rows do not name keep their value."""
        if rows:
            with self._guarded():
                self._connection.execute(_upsert(table, tuple(rows[0]), self.postgresql), list(rows))

    def update(self, table: sa.Table, changes: Iterable[Change]) -> None:
        """Changes columns of rows that are there. Rows that change the same columns go together, and none of them
        through SQLAlchemy's handling of single values: the recorder does this for each message."""
        alike: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for key, changed in changes:
            if changed:
                alike.setdefault(tuple(changed), []).append((*changed.values(), *key))
        for names, rows in alike.items():
            statement = _update(table, names, self._connection.dialect)
            with self._guarded():
                self._connection.exec_driver_sql(statement.text, [statement.encoded(row) for row in rows])

    @property
    def postgresql(self) -> bool:
        return self._connection.dialect.name == "postgresql"
