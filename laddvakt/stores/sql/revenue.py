"""Revenue: sums over sessions, exact to the ten-thousandth because they are sums of integers.

A suspect session is held from invoicing: it counts in `held_sessions` and `held_incl_vat` and nowhere else.
A session without a cost counts with amount 0 beside the others of its key, whatever their currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from laddvakt.domain.sessions import Quality
from laddvakt.stores.ports import RevenueRow
from laddvakt.stores.sql.db import Db, chunks
from laddvakt.stores.sql.periods import Period, periods
from laddvakt.stores.sql.schema import UNENDED, sessions
from laddvakt.stores.sql.types import AnyText, UtcTime, from_ten_thousandths

_KEYS: dict[str, sa.ColumnElement[Any]] = {
    "site": sessions.c.site_id,
    "station": sessions.c.station_id,
    "cable": sessions.c.cable_id,
    "connector": sessions.c.station_id + "/" + sa.cast(sessions.c.connector_id, sa.Text),
    "tariff": sessions.c.tariff_id,
    "driver": sessions.c.driver_id,
}

_PERIODS_PER_QUERY = 300
_NO_LABEL = sa.literal("", AnyText)

_Sums = tuple[int, ...]
_NOTHING: _Sums = (0,) * 6


def _sums() -> list[sa.ColumnElement[Any]]:
    suspect = sessions.c.quality == Quality.SUSPECT

    def total(value: Any, *, held: bool) -> sa.ColumnElement[Any]:
        # Integers in, integers out: the amounts leave their type so that nothing scales them on the way.
        number = sa.type_coerce(value, sa.BigInteger)
        chosen = sa.case((suspect, number if held else 0), else_=0 if held else number)
        return sa.func.coalesce(sa.func.sum(chosen, type_=sa.BigInteger), 0)

    return [
        total(sa.literal(1), held=False),
        total(sessions.c.energy_wh, held=False),
        total(sessions.c.excl_vat, held=False),
        total(sessions.c.incl_vat, held=False),
        total(sa.literal(1), held=True),
        total(sessions.c.incl_vat, held=True),
    ]


def _row(key: str, period: str, currency: str, sums: _Sums) -> RevenueRow:
    count, energy_wh, excl_vat, incl_vat, held, held_incl_vat = sums
    return RevenueRow(
        key=key,
        period=period,
        sessions=count,
        energy_wh=energy_wh,
        excl_vat=from_ten_thousandths(excl_vat),
        incl_vat=from_ten_thousandths(incl_vat),
        currency=currency,
        paid=Decimal(0),
        outstanding=from_ten_thousandths(incl_vat),
        held_sessions=held,
        held_incl_vat=from_ten_thousandths(held_incl_vat),
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Stockholm") from error


def _ended(from_: datetime | None, to: datetime | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [sessions.c.ended_at.is_not(None)]
    if from_ is not None:
        conditions.append(sessions.c.ended_at >= from_)
    if to is not None:
        conditions.append(sessions.c.ended_at < to)
    return conditions


def _periods(db: Db, interval: str, conditions: Sequence[sa.ColumnElement[bool]], zone: ZoneInfo) -> list[Period]:
    """The periods from the first to the last session that the conditions let through."""
    first, last = sa.func.min(sessions.c.ended_at), sa.func.max(sessions.c.ended_at)
    row = db.first(sa.select(first.label("first"), last.label("last")).where(*conditions))
    if row is None or row.first is None:
        return []
    return list(periods(interval, row.first, row.last + timedelta(microseconds=1), zone))


def _by_period(
    key: sa.ColumnElement[str], spans: Sequence[Period], conditions: Sequence[sa.ColumnElement[bool]]
) -> sa.Select[Any]:
    """Sums per period: the periods' bounds go to the database as a small table that walks the index."""
    table = sa.values(
        sa.column("label", AnyText()), sa.column("start", UtcTime()), sa.column("stop", UtcTime()), name="spans"
    )
    spans_ = table.data([tuple(span) for span in spans]).cte("spans")
    within = sa.and_(sessions.c.ended_at >= spans_.c.start, sessions.c.ended_at < spans_.c.stop)
    return _grouped(spans_.c.label, key).select_from(spans_.join(sessions, within)).where(*conditions)


def _grouped(label: sa.ColumnElement[str], key: sa.ColumnElement[str]) -> sa.Select[Any]:
    """(label, key, currency or None, sums...) per label, key and currency."""
    columns: list[sa.ColumnElement[Any]] = [label, key, sessions.c.currency, *_sums()]
    places: list[sa.ColumnElement[Any]] = [sa.literal_column(number) for number in ("1", "2", "3")]
    return sa.select(*columns).group_by(*places)


def revenue(
    db: Db, *, group_by: str, interval: str | None, from_: datetime | None, to: datetime | None, timezone: str
) -> list[RevenueRow]:
    """See ports.Sessions.revenue. Raises ValueError for an unknown grouping, interval or time zone."""
    if group_by not in _KEYS:
        raise ValueError(f"group_by {group_by!r} is not one of {', '.join(_KEYS)}")
    key, conditions, zone = sa.func.coalesce(_KEYS[group_by], ""), _ended(from_, to), _zone(timezone)
    found: list[Any] = []
    if interval is None:
        found += db.all(_grouped(_NO_LABEL, key).where(*conditions))
    else:
        for spans in chunks(_periods(db, interval, conditions, zone), _PERIODS_PER_QUERY):
            found += db.all(_by_period(key, spans, conditions))
    merged: dict[tuple[str, str], dict[str | None, _Sums]] = {}
    for period, name, currency, *sums in found:
        _add(merged.setdefault((period, name), {}), currency, sums)
    return [
        _row(name, period, currency, sums)
        for (period, name), by_currency in sorted(merged.items())
        for currency, sums in sorted(_settle(by_currency, db.currency).items())
    ]


def _add(by_currency: dict[str | None, _Sums], currency: str | None, sums: Sequence[Any]) -> None:
    before = by_currency.get(currency, _NOTHING)
    by_currency[currency] = tuple(a + int(b) for a, b in zip(before, sums, strict=True))


def _settle(by_currency: dict[str | None, _Sums], default: str) -> dict[str, _Sums]:
    """Sessions without a cost have no currency: they join the first there is, or else the default one."""
    settled: dict[str | None, _Sums] = {name: sums for name, sums in by_currency.items() if name is not None}
    if None in by_currency:
        _add(settled, min((name for name in settled if name is not None), default=default), by_currency[None])
    return {name: sums for name, sums in settled.items() if name is not None}


def totals(db: Db, *, from_: datetime, to: datetime) -> RevenueRow:
    """See ports.Sessions.totals. Amounts of different currencies cannot be added: where there are several, the
    amounts are those in the installation's own currency (or else the one with most sessions), while sessions
    and energy count all."""
    by_currency: dict[str | None, _Sums] = {}
    for condition in (sa.and_(*_ended(from_, to)), UNENDED):
        for row in db.all(_grouped(_NO_LABEL, _NO_LABEL).where(condition)):
            values: list[Any] = list(row)
            _add(by_currency, values[2], values[3:])
    settled = _settle(by_currency, db.currency) or {db.currency: _NOTHING}
    most = max(sorted(settled), key=lambda name: settled[name][0])
    chosen = db.currency if db.currency in settled else most
    _, _, excl_vat, incl_vat, _, held_incl_vat = settled[chosen]
    count, energy_wh, held = (sum(sums[place] for sums in settled.values()) for place in (0, 1, 4))
    return _row("", "", chosen, (count, energy_wh, excl_vat, incl_vat, held, held_incl_vat))
