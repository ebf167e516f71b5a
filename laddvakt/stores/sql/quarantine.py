"""What was set aside, whole, with the reason."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from laddvakt.stores.ports import Page, QuarantineItem
from laddvakt.stores.sql.cursors import newest_first
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import quarantine


class SqlQuarantine:
    """The same item_id again is no second row: a replayed log changes nothing."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def add(self, items: Iterable[QuarantineItem]) -> None:
        self._db.insert_new(quarantine, [msgspec.structs.asdict(item) for item in items])

    def page(
        self, *, station_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[QuarantineItem]:
        statement = sa.select(quarantine)
        if station_id is not None:
            statement = statement.where(quarantine.c.station_id == station_id)
        return newest_first(
            self._db,
            statement,
            time=quarantine.c.received_at,
            tie=quarantine.c.item_id,
            after=after,
            limit=limit,
            build=lambda rows: [QuarantineItem(**row._mapping) for row in rows],
        )

    def counts(self) -> dict[str, int]:
        statement = sa.select(quarantine.c.reason, sa.func.count()).group_by(quarantine.c.reason)
        return {reason.value: count for reason, count in sorted(map(tuple, self._db.all(statement)))}
