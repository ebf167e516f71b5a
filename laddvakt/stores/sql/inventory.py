"""What stations say of their own settings and parts: the device model of OCPP 2.x, configuration keys of 1.6."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from laddvakt.stores.ports import Page, Variable
from laddvakt.stores.sql.cursors import check_limit, decode_cursor, encode_cursor
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import variables


def _without_nature(row: dict[str, Any]) -> dict[str, Any]:
    """Of an answer that has values alone: what was known of mutability and unit stays."""
    return {name: value for name, value in row.items() if name not in ("mutability", "unit")}


class SqlInventory:
    """The newest report of a variable replaces the one before."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def save(self, variables_: Iterable[Variable]) -> None:
        rows = [msgspec.structs.asdict(variable) for variable in variables_]
        self._db.upsert(variables, [row for row in rows if row["mutability"] is not None])
        self._db.upsert(variables, [_without_nature(row) for row in rows if row["mutability"] is None])

    def page(self, station_id: str, *, after: str | None = None, limit: int = 100) -> Page[Variable]:
        key = variables.c.variable_id
        statement = sa.select(variables).where(variables.c.station_id == station_id).order_by(key)
        if after is not None:
            statement = statement.where(key > str(decode_cursor(after)[1]))
        rows = self._db.all(statement.limit(check_limit(limit) + 1))
        items = tuple(Variable(**row._mapping) for row in rows[:limit])
        return Page(items=items, next=encode_cursor((0, items[-1].variable_id)) if len(rows) > limit else None)
