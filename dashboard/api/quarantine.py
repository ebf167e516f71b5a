"""`/api/v1/quarantine`: messages that were set aside, whole, with the reason; read again or dismissed."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Response
from fastapi import Query as FromQuery
from pydantic import BaseModel, ConfigDict, Field

from dashboard import quarantine
from dashboard.auth import Action
from dashboard.quarantine import Handled, Which
from dashboard.web.problems import problem
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Asking, Context, Identifier, PageQuery, cursor_of, needs
from laddvakt.domain.errors import EventLogError
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.stores.ports import Page, QuarantineCount, QuarantineItem

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"], dependencies=[needs(Action.VIEW_QUARANTINE)])
_SETTLE = [needs(Action.SETTLE_QUARANTINE)]


class QuarantineQuery(PageQuery):
    station_id: Identifier | None = None
    reason: QuarantineReason | None = None
    state: QuarantineState | None = None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is, by reason, station and state."""

    items: tuple[QuarantineCount, ...]


class Filter(BaseModel):
    """Which open items; without a filter all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    station_id: Identifier | None = None
    reason: QuarantineReason | None = None

    def which(self) -> Which:
        return Which(reason=self.reason, station_id=self.station_id)


class Dismissal(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    comment: str = Field("", max_length=2000, description="Why nothing is to be done")


class FilteredDismissal(Filter, Dismissal):
    """Which open items, and why nothing is to be done about them."""


_NO_REMARK = Dismissal(comment="")


@router.get("", **answers(Page[QuarantineItem]))
def list_quarantine(context: Context, query: Annotated[QuarantineQuery, FromQuery()]) -> WireResponse:
    """Messages set aside, newest first."""
    with cursor_of(query.after), context.records.read() as work:
        page = work.quarantine.page(
            station_id=query.station_id,
            reason=query.reason,
            state=query.state,
            after=query.after,
            limit=query.limit,
        )
    return WireResponse(page)


@router.get("/counts", **answers(Counts))
def count_quarantine(context: Context) -> WireResponse:
    """How much there is, by reason, station and state."""
    with context.records.read() as work:
        return WireResponse(Counts(items=tuple(work.quarantine.counts())))


@router.post("/reprocess", **answers(Handled, errors=(503,)), dependencies=_SETTLE)
async def reprocess_many(context: Context, principal: Asking, body: Filter) -> Response:
    """Read open items again, at most 1000, the older ones first. Without a filter: all of them."""
    try:
        handled = await quarantine.reprocess_all(
            context.records, context.reprocessing, context.clock, which=body.which(), actor=principal.name
        )
    except EventLogError as error:
        return _nobody(error)
    return WireResponse(handled)


@router.post("/dismiss", **answers(Handled), dependencies=_SETTLE)
def dismiss_many(context: Context, principal: Asking, body: FilteredDismissal) -> WireResponse:
    """Nothing is to be done about these, at most 1000."""
    handled = quarantine.dismiss_all(
        context.records, context.clock, which=body.which(), actor=principal.name, comment=body.comment
    )
    return WireResponse(handled)


@router.get("/{item_id}", **answers(QuarantineItem, errors=(404,)))
def get_item(context: Context, item_id: Identifier) -> WireResponse:
    """One message that was set aside."""
    return WireResponse(quarantine.get(context.records, item_id))


@router.post("/{item_id}/reprocess", **answers(QuarantineItem, errors=(404, 503)), dependencies=_SETTLE)
async def reprocess(context: Context, principal: Asking, item_id: Identifier) -> Response:
    """Read the message again with the collector's present code; the item as it is afterwards. Twice is once."""
    try:
        item = await quarantine.reprocess(
            context.records, context.reprocessing, context.clock, item_id=item_id, actor=principal.name
        )
    except EventLogError as error:
        return _nobody(error)
    return WireResponse(item)


def _nobody(error: EventLogError) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "5"})


@router.post("/{item_id}/dismiss", **answers(QuarantineItem, errors=(404, 409)), dependencies=_SETTLE)
def dismiss(
    context: Context, principal: Asking, item_id: Identifier, body: Dismissal = _NO_REMARK
) -> WireResponse:
    """Nothing is to be done about it."""
    item = quarantine.dismiss(
        context.records, context.clock, item_id=item_id, actor=principal.name, comment=body.comment
    )
    return WireResponse(item)
