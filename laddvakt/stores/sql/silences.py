"""Silences: kept for ever, because figures are excluded by them."""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa

from laddvakt.domain.silences import Silence
from laddvakt.stores.ports import Page
from laddvakt.stores.sql.cursors import newest_first
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import silences


class SqlSilences:
    """`overlapping` gives the earliest first."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def get(self, silence_id: str) -> Silence | None:
        row = self._db.first(sa.select(silences).where(silences.c.silence_id == silence_id))
        return Silence(**row._mapping) if row is not None else None

    def save(self, silence: Silence) -> None:
        self._db.upsert(silences, [msgspec.structs.asdict(silence)])

    def overlapping(self, from_: datetime, to: datetime) -> list[Silence]:
        end = sa.func.coalesce(silences.c.ended_at, silences.c.until)
        since = sa.bindparam("since", from_, silences.c.until.type)
        within = (silences.c.from_ <= to, end > since, end > silences.c.from_)
        rows = self._db.all(sa.select(silences).where(*within).order_by(silences.c.from_, silences.c.silence_id))
        return [Silence(**row._mapping) for row in rows]

    def page(self, *, after: str | None = None, limit: int = 100) -> Page[Silence]:
        return newest_first(
            self._db,
            sa.select(silences),
            time=silences.c.from_,
            tie=silences.c.silence_id,
            after=after,
            limit=limit,
            build=lambda rows: [Silence(**row._mapping) for row in rows],
        )
