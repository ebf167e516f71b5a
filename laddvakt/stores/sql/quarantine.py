"""What was set aside, whole, with the reason."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.stores.ports import Page, QuarantineCount, QuarantineItem
from laddvakt.stores.sql.cursors import newest_first
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import quarantine


class SqlQuarantine:
    """The same item_id again is no second row: a replayed log changes nothing."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def add(self, items: Iterable[QuarantineItem]) -> None:
        self._db.insert_new(quarantine, [msgspec.structs.asdict(item) for item in items])

    def get(self, item_id: str) -> QuarantineItem | None:
        row = self._db.first(sa.select(quarantine).where(quarantine.c.item_id == item_id))
        return QuarantineItem(**row._mapping) if row is not None else None

    def save(self, items: Iterable[QuarantineItem]) -> None:
        self._db.upsert(quarantine, [msgspec.structs.asdict(item) for item in items])

    def page(
        self,
        *,
        station_id: str | None = None,
        reason: QuarantineReason | None = None,
        state: QuarantineState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[QuarantineItem]:
        statement = sa.select(quarantine)
        for column, wanted in (
            (quarantine.c.station_id, station_id),
            (quarantine.c.reason, reason),
            (quarantine.c.state, state),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        return newest_first(
            self._db,
            statement,
            time=quarantine.c.received_at,
            tie=quarantine.c.item_id,
            after=after,
            limit=limit,
            build=lambda rows: [QuarantineItem(**row._mapping) for row in rows],
        )

    def counts(self) -> list[QuarantineCount]:
        keys = (quarantine.c.reason, quarantine.c.station_id, quarantine.c.state)
        many = sa.func.count()
        statement = (
            sa.select(*keys, many.label("items"), sa.func.max(quarantine.c.received_at).label("newest"))
            .group_by(*keys)
            .order_by(many.desc(), *keys)
        )
        return [QuarantineCount(**row._mapping) for row in self._db.all(statement)]
