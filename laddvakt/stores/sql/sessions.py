"""Charging sessions: one row each; the cost's sums are columns, its lines are JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from laddvakt.billing.at_risk import Usage
from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Cost, Session, SessionState
from laddvakt.stores.ports import InUse, Page, RevenueRow
from laddvakt.stores.sql import revenue
from laddvakt.stores.sql.cursors import newest_first
from laddvakt.stores.sql.db import Db, changed_fields, chunks
from laddvakt.stores.sql.schema import UNENDED, sessions
from laddvakt.stores.sql.types import UtcTime, from_ten_thousandths

_COST_COLUMNS = ("currency", "excl_vat", "vat", "incl_vat", "cost_lines")
_ALL = tuple(sessions.c)
_COLUMNS = tuple(column.name for column in sessions.c)
_NEWEST = (sessions.c.started_at.desc(), sessions.c.session_id.desc())


def _cost_columns(cost: Cost | None) -> dict[str, Any]:
    if cost is None:
        return dict.fromkeys(_COST_COLUMNS)
    currencies = {cost.excl_vat.currency, cost.vat.currency, cost.incl_vat.currency}
    if len(currencies) != 1:
        raise ValueError(f"a cost has one currency, not {', '.join(sorted(currencies))}")
    return {
        "currency": cost.incl_vat.currency,
        "excl_vat": cost.excl_vat.amount,
        "vat": cost.vat.amount,
        "incl_vat": cost.incl_vat.amount,
        "cost_lines": cost.lines,
    }


def to_row(session: Session) -> dict[str, Any]:
    row = msgspec.structs.asdict(session)
    row.update(_cost_columns(row.pop("cost")))
    return row


def from_row(row: Row[Any]) -> Session:
    return _session(dict(zip(_COLUMNS, row, strict=True)))


def _session(fields: dict[str, Any]) -> Session:
    currency, excl_vat, vat, incl_vat, lines = (fields.pop(name) for name in _COST_COLUMNS)
    if currency is None:
        return Session(**fields)
    cost = Cost(
        excl_vat=Money(amount=excl_vat, currency=currency),
        vat=Money(amount=vat, currency=currency),
        incl_vat=Money(amount=incl_vat, currency=currency),
        lines=lines,
    )
    return Session(**fields, cost=cost)


def _changed(before: Session, after: Session) -> dict[str, Any]:
    fields = changed_fields(before, after)
    if "cost" in fields:
        fields.update(_cost_columns(fields.pop("cost")))
    return fields


class SqlSessions:
    """A cost's amounts may have at most four decimals; more raise ValueError, since SUM must stay exact. Of what
    this unit of work has read, only the changes are written: nobody else writes meanwhile."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._read: dict[str, Session] = {}

    def _built(self, rows: Sequence[Row[Any]]) -> list[Session]:
        return self._kept(map(from_row, rows))

    def _kept(self, read: Iterable[Session]) -> list[Session]:
        found = list(read)
        self._read.update((session.session_id, session) for session in found)
        return found

    def get(self, session_id: str) -> Session | None:
        return self.many([session_id]).get(session_id)

    def many(self, session_ids: Iterable[str]) -> dict[str, Session]:
        rows = self._db.among(_ALL, sessions.c.session_id, session_ids)
        return {session.session_id: session for session in self._kept(map(_session, rows))}

    def unended(self, station_ids: Iterable[str] | None = None) -> list[Session]:
        """Oldest first."""
        if station_ids is None:
            found = self._built(self._db.all(sa.select(sessions).where(UNENDED)))
        else:
            rows = self._db.among(_ALL, sessions.c.station_id, station_ids, UNENDED.text)
            found = self._kept(map(_session, rows))
        return sorted(found, key=lambda session: (session.started_at, session.session_id))

    def in_use(self) -> list[InUse]:
        columns = [sessions.c[name] for name in InUse.__struct_fields__]
        rows = self._db.all(sa.select(*columns).where(UNENDED, sessions.c.token.is_not(None)))
        return [InUse(**row._mapping) for row in rows]

    def silent(self, before: datetime) -> list[Session]:
        """Unended, and without a reading (or a start) since `before`."""
        last = sa.func.coalesce(sessions.c.last_reading_at, sessions.c.started_at)
        rows = self._db.all(sa.select(sessions).where(UNENDED, last < sa.bindparam("before", before, UtcTime)))
        return [from_row(row) for row in rows]

    def by_transaction(self, station_id: str, transaction_id: str) -> Session | None:
        row = self._db.first(
            sa.select(sessions)
            .where(sessions.c.station_id == station_id, sessions.c.transaction_id == transaction_id)
            .order_by(*_NEWEST)
            .limit(1)
        )
        return self._built([row])[0] if row else None

    def recent(self, station_id: str, connector_id: int | None, limit: int) -> list[Session]:
        """Newest first; of the whole station when no connector is named."""
        statement = sa.select(sessions).where(sessions.c.station_id == station_id)
        if connector_id is not None:
            statement = statement.where(sessions.c.connector_id == connector_id)
        return self._built(self._db.all(statement.order_by(*_NEWEST).limit(limit)))

    def save(self, sessions_: Iterable[Session]) -> None:
        given = {session.session_id: session for session in sessions_}
        known = {key: before for key in given if (before := self._read.get(key))}
        self._db.upsert(sessions, [to_row(session) for key, session in given.items() if key not in known])
        self._db.update(sessions, [((key,), _changed(before, given[key])) for key, before in known.items()])
        self._read |= given

    def usage(
        self, station_ids: Iterable[str], connector_id: int | None, *, from_: datetime, to: datetime
    ) -> list[Usage]:
        """Of several stations, or of one connector of one. Sessions without a cost have no currency."""
        columns = sessions.c
        amount = sa.func.coalesce(sa.func.sum(sa.type_coerce(columns.excl_vat, sa.BigInteger)), 0)
        first = sa.func.min(columns.started_at)
        where = [columns.state == SessionState.ENDED, columns.started_at >= from_, columns.started_at < to]
        if connector_id is not None:
            where.append(columns.connector_id == connector_id)
        summed = (
            sa.select(columns.currency, sa.func.count(), amount, first).where(*where).group_by(columns.currency)
        )
        found: list[Usage] = []
        for ids in chunks(dict.fromkeys(station_ids)):
            for row in self._db.all(summed.where(columns.station_id.in_(ids)).group_by(columns.currency)):
                currency, count, total, first_at = tuple(row)
                excl_vat = from_ten_thousandths(int(total))
                found.append(Usage(currency=currency, sessions=count, excl_vat=excl_vat, first_at=first_at))
        return found

    def page(
        self,
        *,
        state: SessionState | None = None,
        station_id: str | None = None,
        driver_id: str | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Session]:
        conditions = [
            column == value
            for column, value in (
                (sessions.c.state, state),
                (sessions.c.station_id, station_id),
                (sessions.c.driver_id, driver_id),
            )
            if value is not None
        ]
        if from_ is not None:
            conditions.append(sessions.c.started_at >= from_)
        if to is not None:
            conditions.append(sessions.c.started_at < to)
        return newest_first(
            self._db,
            sa.select(sessions).where(*conditions),
            time=sessions.c.started_at,
            tie=sessions.c.session_id,
            after=after,
            limit=limit,
            build=self._built,
        )

    def revenue(
        self,
        *,
        group_by: str,
        interval: str | None,
        from_: datetime | None,
        to: datetime | None,
        timezone: str,
    ) -> list[RevenueRow]:
        """Ordered by period, then key. One row per currency where a key has several."""
        return revenue.revenue(
            self._db, group_by=group_by, interval=interval, from_=from_, to=to, timezone=timezone
        )

    def totals(self, *, from_: datetime, to: datetime) -> RevenueRow:
        """Sessions ended in [from_, to) and those not yet ended so far."""
        return revenue.totals(self._db, from_=from_, to=to)
