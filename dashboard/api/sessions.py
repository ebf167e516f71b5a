"""`/api/v1/sessions`: charging sessions. A driver sees their own and no others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter
from fastapi import Query as FromQuery
from pydantic import Field

from dashboard.auth import Action, Principal
from dashboard.context import AppContext
from dashboard.web.problems import ForbiddenError
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import (
    Asking,
    Context,
    Identifier,
    PageQuery,
    PeriodQuery,
    check_period,
    cursor_of,
    needs,
)
from laddvakt.domain.errors import NotFoundError
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.stores.ports import Page, Sample

router = APIRouter(
    prefix="/api/v1/sessions",
    tags=["sessions"],
    dependencies=[needs(Action.VIEW_SESSIONS, Action.VIEW_OWN_SESSIONS)],
)


class SessionQuery(PageQuery, PeriodQuery):
    state: SessionState | None = None
    station_id: Identifier | None = None
    driver_id: Identifier | None = None


class TelemetryQuery(PeriodQuery):
    field: Annotated[list[Identifier], Field(max_length=50)] = Field(
        default_factory=list, description="Such as power_w; may be repeated; all when left out"
    )
    source: Literal["ocpp", "mqtt"] = Field("ocpp", description="The station's register, or an independent meter")
    limit: int = Field(10_000, ge=1, le=100_000, description="Values per field")


class SessionTelemetry(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured during a session, per field (unit in the name), oldest first."""

    session_id: str
    station_id: str
    connector_id: int
    source: str
    from_: datetime = msgspec.field(name="from")
    to: datetime
    fields: dict[str, list[Sample]]


@router.get("", **answers(Page[Session]))
def list_sessions(
    context: Context, principal: Asking, query: Annotated[SessionQuery, FromQuery()]
) -> WireResponse:
    """Sessions that started in the period, newest first."""
    check_period(query)
    driver_id = _driver_filter(principal, query.driver_id)
    with cursor_of(query.after), context.records.read() as work:
        page = work.sessions.page(
            state=query.state,
            station_id=query.station_id,
            driver_id=driver_id,
            from_=query.from_,
            to=query.to,
            after=query.after,
            limit=query.limit,
        )
    return WireResponse(page)


@router.get("/{session_id}", **answers(Session, errors=(404,)))
def get_session(context: Context, principal: Asking, session_id: Identifier) -> WireResponse:
    """One session."""
    return WireResponse(_visible(context, principal, session_id))


@router.get("/{session_id}/telemetry", **answers(SessionTelemetry, errors=(404,)))
def get_session_telemetry(
    context: Context, principal: Asking, session_id: Identifier, query: Annotated[TelemetryQuery, FromQuery()]
) -> WireResponse:
    """What was measured on the connector during the session, or during a part of it."""
    check_period(query)
    session = _visible(context, principal, session_id)
    # The last reading often comes with the stop itself: the end is meant to be in.
    end = (session.ended_at or context.clock()) + timedelta(milliseconds=1)
    from_ = max(session.started_at, query.from_ or session.started_at)
    to = max(min(end, query.to or end), from_)
    fields = query.field or sorted(
        context.telemetry.fields(station_id=session.station_id, from_=from_, to=to) if from_ < to else ()
    )
    read = (
        context.telemetry.read(
            station_id=session.station_id,
            connector_id=session.connector_id,
            fields=fields,
            from_=from_,
            to=to,
            source=query.source,
            limit=query.limit,
        )
        if fields and from_ < to
        else {}
    )
    return WireResponse(
        SessionTelemetry(
            session_id=session.session_id,
            station_id=session.station_id,
            connector_id=session.connector_id,
            source=query.source,
            from_=from_,
            to=to,
            fields={field: samples for field, samples in read.items() if samples or query.field},
        )
    )


def _driver_filter(principal: Principal, wanted: str | None) -> str | None:
    """Whose sessions to list; None is everybody's."""
    if principal.may(Action.VIEW_SESSIONS):
        return wanted
    if principal.driver_id is None:
        raise ForbiddenError("Your account is not linked to a driver.", mend="Ask the operator to link it.")
    if wanted not in (None, principal.driver_id):
        raise ForbiddenError("You may see your own sessions only.")
    return principal.driver_id


def _visible(context: AppContext, principal: Principal, session_id: str) -> Session:
    with context.records.read() as work:
        session = work.sessions.get(session_id)
    own = _driver_filter(principal, None)
    # Somebody else's session is answered like one that does not exist.
    if session is None or (own is not None and session.driver_id != own):
        raise NotFoundError(f"there is no session {session_id}.")
    return session
