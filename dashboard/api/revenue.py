"""`/api/v1/revenue`: money and energy of ended sessions."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter
from fastapi import Query as FromQuery
from pydantic import Field

from dashboard.auth import Action
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Context, PeriodQuery, check_period, needs
from laddvakt.domain.money import Money
from laddvakt.stores.ports import Page, RevenueRow

router = APIRouter(prefix="/api/v1/revenue", tags=["revenue"], dependencies=[needs(Action.VIEW_REVENUE)])


class RevenueQuery(PeriodQuery):
    group_by: Literal["site", "station", "cable", "connector", "tariff", "driver"] = "station"
    interval: Literal["hour", "day", "month"] | None = Field(
        None, description="Days and months begin in the installation's time zone; one row per key when left out"
    )


class Revenue(msgspec.Struct, frozen=True, kw_only=True):
    """Revenue of one key in one period (API object). Suspect sessions are held from invoicing and stand apart."""

    key: str
    period: str  # "2026-11-21", "2026-11", "2026-11-21T10"; empty without an interval
    sessions: int
    energy_wh: int
    excl_vat: Money
    incl_vat: Money
    paid: Money
    outstanding: Money
    held_sessions: int
    held_incl_vat: Money


def revenue_object(row: RevenueRow) -> Revenue:
    """The API object of a row of the records."""

    def money(amount: Decimal) -> Money:
        return Money(amount=_at_least_cents(amount), currency=row.currency)

    return Revenue(
        key=row.key,
        period=row.period,
        sessions=row.sessions,
        energy_wh=row.energy_wh,
        excl_vat=money(row.excl_vat),
        incl_vat=money(row.incl_vat),
        paid=money(row.paid),
        outstanding=money(row.outstanding),
        held_sessions=row.held_sessions,
        held_incl_vat=money(row.held_incl_vat),
    )


def _at_least_cents(amount: Decimal) -> Decimal:
    """12.3 is written 12.30; nothing is rounded away."""
    exponent = amount.as_tuple().exponent
    return amount.quantize(Decimal("0.01")) if isinstance(exponent, int) and exponent > -2 else amount


@router.get("", **answers(Page[Revenue]))
def get_revenue(context: Context, query: Annotated[RevenueQuery, FromQuery()]) -> WireResponse:
    """Revenue of sessions that ended in the period, by key and interval; never paged."""
    check_period(query)
    with context.records.read() as work:
        rows = work.sessions.revenue(
            group_by=query.group_by,
            interval=query.interval,
            from_=query.from_,
            to=query.to,
            timezone=context.settings.timezone,
        )
    return WireResponse(Page(items=tuple(revenue_object(row) for row in rows)))
