"""What stations say of their own settings and parts: the device model of OCPP 2.x, configuration keys of 1.6."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from laddvakt.stores.ports import Page, Variable
from laddvakt.stores.sql.cursors import check_limit, decode_cursor, encode_cursor
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import variables


class SqlInventory:
    """The newest report of a variable replaces the one before."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def save(self, variables_: Iterable[Variable]) -> None:
        self._db.upsert(variables, [msgspec.structs.asdict(variable) for variable in variables_])

    def page(self, station_id: str, *, after: str | None = None, limit: int = 100) -> Page[Variable]:
        key = variables.c.variable_id
        statement = sa.select(variables).where(variables.c.station_id == station_id).order_by(key)
        if after is not None:
            statement = statement.where(key > str(decode_cursor(after)[1]))
        rows = self._db.all(statement.limit(check_limit(limit) + 1))
        items = tuple(Variable(**row._mapping) for row in rows[:limit])
        return Page(items=items, next=encode_cursor((0, items[-1].variable_id)) if len(rows) > limit else None)
