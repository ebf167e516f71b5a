"""How far each consumer has applied the log; stored in the transaction of what it derived."""

from __future__ import annotations

import sqlalchemy as sa

from laddvakt.domain.errors import ConflictError
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import positions


class SqlPositions:
    """Positions only go forward: whoever comes second with the same records learns it from the error."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def get(self, consumer: str) -> dict[int, int]:
        statement = sa.select(positions.c.partition, positions.c.sequence).where(positions.c.consumer == consumer)
        rows = self._db.all(statement.order_by(positions.c.partition))
        return {row.partition: row.sequence for row in rows}

    def advance(self, consumer: str, partition: int, sequence: int) -> None:
        """Raises ConflictError unless `sequence` is greater than the stored one."""
        stored = sa.and_(positions.c.consumer == consumer, positions.c.partition == partition)
        row = self._db.first(sa.select(positions.c.sequence).where(stored).with_for_update())
        if row is not None and sequence <= row.sequence:
            raise ConflictError(
                f"{consumer} has applied partition {partition} up to {row.sequence}, so not {sequence} again.",
                mend="Drop these records: another process has applied them.",
            )
        self._db.upsert(positions, [{"consumer": consumer, "partition": partition, "sequence": sequence}])
