"""`/api/v1/security-events`: what stations reported of their own security."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery

from dashboard.auth import Action
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Context, Identifier, PageQuery, cursor_of, needs
from laddvakt.stores.ports import Page, SecurityEvent

router = APIRouter(
    prefix="/api/v1/security-events",
    tags=["security events"],
    dependencies=[needs(Action.VIEW_STATION_DETAILS)],
)


class SecurityEventQuery(PageQuery):
    station_id: Identifier | None = None


@router.get("", **answers(Page[SecurityEvent]))
def list_security_events(context: Context, query: Annotated[SecurityEventQuery, FromQuery()]) -> WireResponse:
    """Security events, newest first."""
    with cursor_of(query.after), context.records.read() as work:
        page = work.security_log.page(station_id=query.station_id, after=query.after, limit=query.limit)
    return WireResponse(page)
