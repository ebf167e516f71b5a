"""Security events of stations, as they came."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from laddvakt.stores.ports import Page, SecurityEvent
from laddvakt.stores.sql.cursors import newest_first
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import security_events


class SqlSecurityLog:
    """The same event_id again is no second row: a replayed log changes nothing."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def add(self, events: Iterable[SecurityEvent]) -> None:
        self._db.insert_new(security_events, [msgspec.structs.asdict(event) for event in events])

    def page(
        self, *, station_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[SecurityEvent]:
        statement = sa.select(security_events)
        if station_id is not None:
            statement = statement.where(security_events.c.station_id == station_id)
        return newest_first(
            self._db,
            statement,
            time=security_events.c.at,
            tie=security_events.c.event_id,
            after=after,
            limit=limit,
            build=lambda rows: [SecurityEvent(**row._mapping) for row in rows],
        )
