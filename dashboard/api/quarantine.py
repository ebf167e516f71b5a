"""`/api/v1/quarantine`: messages that were set aside, whole, with the reason."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery

from dashboard.auth import Action
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Context, Identifier, PageQuery, cursor_of, needs
from laddvakt.stores.ports import Page, QuarantineItem

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"], dependencies=[needs(Action.VIEW_QUARANTINE)])


class QuarantineQuery(PageQuery):
    station_id: Identifier | None = None


@router.get("", **answers(Page[QuarantineItem]))
def list_quarantine(context: Context, query: Annotated[QuarantineQuery, FromQuery()]) -> WireResponse:
    """Messages set aside, newest first."""
    with cursor_of(query.after), context.records.read() as work:
        page = work.quarantine.page(station_id=query.station_id, after=query.after, limit=query.limit)
    return WireResponse(page)
