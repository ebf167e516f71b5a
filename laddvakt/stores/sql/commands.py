"""Commands that were sent to stations, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
import sqlalchemy as sa

from laddvakt.domain.commands import SentCommand
from laddvakt.stores.ports import Page
from laddvakt.stores.sql.cursors import newest_first
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import REMOTE_START, commands


class SqlCommands:
    """Another central system, in a recorded log, may use an id again; with its time it is one of its own."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def get(self, station_id: str, command_id: str) -> SentCommand | None:
        row = self._db.first(
            sa.select(commands)
            .where(commands.c.station_id == station_id, commands.c.command_id == command_id)
            .order_by(commands.c.sent_at.desc())
            .limit(1)
        )
        return SentCommand(**row._mapping) if row else None

    def remote_starts(self, station_id: str, since: datetime) -> list[SentCommand]:
        rows = self._db.all(
            sa.select(commands)
            .where(REMOTE_START, commands.c.station_id == station_id, commands.c.sent_at >= since)
            .order_by(commands.c.sent_at.desc())
        )
        return [SentCommand(**row._mapping) for row in rows]

    def of(self, station_id: str, actions: Iterable[str], since: datetime) -> list[SentCommand]:
        rows = self._db.all(
            sa.select(commands)
            .where(
                commands.c.station_id == station_id,
                commands.c.sent_at >= since,
                commands.c.action.in_(sorted(actions)),
            )
            .order_by(commands.c.sent_at.desc())
        )
        return [SentCommand(**row._mapping) for row in rows]

    def save(self, commands_: Iterable[SentCommand]) -> None:
        self._db.upsert(commands, [msgspec.structs.asdict(command) for command in commands_])

    def page(self, station_id: str, *, after: str | None = None, limit: int = 100) -> Page[SentCommand]:
        return newest_first(
            self._db,
            sa.select(commands).where(commands.c.station_id == station_id),
            time=commands.c.sent_at,
            tie=commands.c.command_id,
            after=after,
            limit=limit,
            build=lambda rows: [SentCommand(**row._mapping) for row in rows],
        )
