"""What connectors did, change by change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
import sqlalchemy as sa

from laddvakt.domain.history import Transition
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import connector_history

_at = connector_history.c.at
_port = (connector_history.c.station_id, connector_history.c.connector_id)


class SqlHistory:
    """Of several changes at the same moment the last one stands."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def add(self, transitions: Iterable[Transition]) -> None:
        newest = {(t.station_id, t.connector_id, t.at): t for t in transitions}
        self._db.upsert(connector_history, [msgspec.structs.asdict(t) for t in newest.values()])

    def last_before(self, at: datetime) -> list[Transition]:
        last = sa.select(*_port, sa.func.max(_at).label("at")).where(_at < at).group_by(*_port).subquery()
        query = sa.select(connector_history).join(
            last,
            sa.and_(_port[0] == last.c.station_id, _port[1] == last.c.connector_id, _at == last.c.at),
        )
        return [Transition(**row._mapping) for row in self._db.all(query)]

    def between(self, from_: datetime, to: datetime) -> list[Transition]:
        query = sa.select(connector_history).where(sa.and_(from_ <= _at, _at < to)).order_by(_at, *_port)
        return [Transition(**row._mapping) for row in self._db.all(query)]

    def forget(self, before: datetime) -> int:
        """Deletes what is older, but for the change of each connector that stood then; how many rows."""
        later = connector_history.alias()
        overtaken = sa.select(sa.literal(1)).where(
            later.c.station_id == _port[0],
            later.c.connector_id == _port[1],
            later.c.at > _at,
            later.c.at <= sa.bindparam("until", before, _at.type),
        )
        return self._db.execute(sa.delete(connector_history).where(sa.and_(_at < before, overtaken.exists())))
