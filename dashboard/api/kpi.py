"""`/api/v1/kpi`: reliability figures, what each is made of, and the minutes that somebody took out of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from fastapi import Query as FromQuery
from pydantic import Field

from dashboard import reliability
from dashboard.auth import Action
from dashboard.context import AppContext
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Context, PeriodQuery, check_period, needs
from laddvakt.kpi.fold import Ask
from laddvakt.kpi.report import METRICS, Exclusion, Figure, calendar, exclusions
from laddvakt.stores.ports import Page

router = APIRouter(prefix="/api/v1/kpi", tags=["reliability"], dependencies=[needs(Action.VIEW_RELIABILITY)])

YEAR = timedelta(days=365)

MetricName = Literal[
    "availability",
    "availability_reported",
    "nevi",
    "uk_reliability",
    "uk_reliability_offline_up",
    "charge_start",
    "charge_end",
    "session_success",
    "first_attempt",
    "time_to_detect",
    "time_to_acknowledge",
    "time_to_repair",
]


class KpiPeriod(PeriodQuery):
    """From 365 days before `to`, to now, when left out."""

    def span(self, context: AppContext) -> tuple[datetime, datetime]:
        check_period(self)
        to = (self.to or context.clock()).astimezone(UTC)
        return (self.from_ or to - YEAR).astimezone(UTC), to


class KpiQuery(KpiPeriod):
    metric: MetricName = "availability"
    group_by: Literal["fleet", "site", "model", "station", "cable", "connector"] = "fleet"
    interval: Literal["day", "month"] | None = Field(
        None,
        description="Calendar days or months of the installation's time zone; one figure per key if left out",
    )


class MetricInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure means (API object)."""

    metric: str
    label: str
    unit: str
    formula: str
    source: str


@router.get("", **answers(Page[Figure]))
def get_kpi(context: Context, query: Annotated[KpiQuery, FromQuery()]) -> WireResponse:
    """One figure per key, pooled as sum of numerators over sum of denominators; never paged."""
    period = query.span(context)
    zone = context.settings.zone
    periods = [("", period)] if query.interval is None else calendar(period, zone, query.interval)
    asked = Ask(query.metric, query.group_by, periods)
    (found,), _ = reliability.report(context.records, [asked], period)
    return WireResponse(Page(items=tuple(found)))


@router.get("/metrics", **answers(Page[MetricInfo]))
def get_metrics() -> WireResponse:
    """What figures there are: label, unit, formula, source."""
    rows: list[Any] = [MetricInfo(metric=name, **row._asdict()) for name, row in METRICS.items()]
    return WireResponse(Page(items=tuple(rows)))


@router.get("/exclusions", **answers(Page[Exclusion]))
def get_exclusions(context: Context, query: Annotated[KpiPeriod, FromQuery()]) -> WireResponse:
    """Planned work of the period, whose outage is taken out of availability: who said so, why, where, when."""
    period = query.span(context)
    with context.records.read() as work:
        silences = work.silences.overlapping(*period)
    return WireResponse(Page(items=tuple(exclusions(silences, period))))
