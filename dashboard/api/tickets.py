"""`/api/v1/tickets`: fault tickets, and what people do with them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Query as FromQuery
from pydantic import BaseModel, ConfigDict, Field

from dashboard.auth import Action
from dashboard.tickets import act
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Asking, Context, Identifier, PageQuery, cursor_of, needs
from laddvakt.domain.errors import NotFoundError
from laddvakt.domain.tickets import Severity, Ticket, TicketAction, TicketState
from laddvakt.stores.ports import Delivery, Page

router = APIRouter(prefix="/api/v1/tickets", tags=["tickets"], dependencies=[needs(Action.VIEW_TICKETS)])

_AFTER_ACTION = {**answers(Ticket, errors=(404, 409, 413)), "dependencies": [needs(Action.WORK_ON_TICKETS)]}

_Comment = Annotated[str, Field(max_length=4000)]


class TicketQuery(PageQuery):
    state: list[TicketState] = Field(default_factory=list, description="May be repeated; all when left out")
    severity: Severity | None = None
    asset: Identifier | None = Field(None, description="Asset id")
    station_id: Identifier | None = None
    storm: Identifier | None = Field(None, description="Of one fault at many stations within minutes")
    assignee: Identifier | None = None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Remark(_Body):
    """An optional comment with an action."""

    comment: _Comment = ""


class Comment(_Body):
    comment: Annotated[str, Field(min_length=1, max_length=4000)]


class Assignment(Remark):
    assignee: Identifier = Field(description="A user who works on tickets")


class RightAsset(_Body):
    kind: Literal["station", "cable", "connector", "site"]
    id: Identifier


class Verdict(Remark):
    verdict: Literal["confirmed", "wrong_asset", "vehicle", "no_fault_found"]
    right_asset: RightAsset | None = Field(None, description="With `wrong_asset`: what was at fault, if known")


_NO_REMARK = Remark(comment="")


@router.get("", **answers(Page[Ticket]))
def list_tickets(context: Context, query: Annotated[TicketQuery, FromQuery()]) -> WireResponse:
    """Tickets, newest first."""
    with cursor_of(query.after), context.records.read() as work:
        page = work.tickets.page(
            states=query.state or None,
            severity=query.severity,
            asset=query.asset,
            station_id=query.station_id,
            storm=query.storm,
            assignee=query.assignee,
            after=query.after,
            limit=query.limit,
        )
    return WireResponse(page)


@router.get("/{ticket_id}", **answers(Ticket, errors=(404,)))
def get_ticket(context: Context, ticket_id: Identifier) -> WireResponse:
    """One ticket with its whole history."""
    with context.records.read() as work:
        ticket = work.tickets.get(ticket_id)
    if ticket is None:
        raise NotFoundError(f"there is no ticket {ticket_id}.")
    return WireResponse(ticket)


@router.get("/{ticket_id}/deliveries", **answers(Page[Delivery], errors=(404,)))
def list_deliveries(context: Context, ticket_id: Identifier) -> WireResponse:
    """Who was told of a ticket, by which way, and what came of it; oldest first, always all of them."""
    with context.records.read() as work:
        if work.tickets.get(ticket_id) is None:
            raise NotFoundError(f"there is no ticket {ticket_id}.")
        deliveries = work.routes.deliveries([ticket_id])
    return WireResponse(Page(items=tuple(deliveries)))


@router.post("/{ticket_id}/acknowledge", **_AFTER_ACTION)
async def acknowledge(
    context: Context, principal: Asking, ticket_id: Identifier, body: Remark = _NO_REMARK
) -> WireResponse:
    """Somebody has seen it."""
    return WireResponse(
        await act(
            context,
            ticket_id=ticket_id,
            action=TicketAction.ACKNOWLEDGED,
            actor=principal.name,
            detail=body.comment,
        )
    )


@router.post("/{ticket_id}/assign", **_AFTER_ACTION)
async def assign(context: Context, principal: Asking, ticket_id: Identifier, body: Assignment) -> WireResponse:
    """Somebody is given it."""
    return WireResponse(
        await act(
            context,
            ticket_id=ticket_id,
            action=TicketAction.ASSIGNED,
            actor=principal.name,
            detail=body.comment,
            data={"assignee": body.assignee},
        )
    )


@router.post("/{ticket_id}/comment", **_AFTER_ACTION)
async def comment(context: Context, principal: Asking, ticket_id: Identifier, body: Comment) -> WireResponse:
    """Somebody writes something down."""
    return WireResponse(
        await act(
            context,
            ticket_id=ticket_id,
            action=TicketAction.COMMENTED,
            actor=principal.name,
            detail=body.comment,
        )
    )


@router.post("/{ticket_id}/resolve", **_AFTER_ACTION)
async def resolve(
    context: Context, principal: Asking, ticket_id: Identifier, body: Remark = _NO_REMARK
) -> WireResponse:
    """Somebody says that it is mended."""
    return WireResponse(
        await act(
            context,
            ticket_id=ticket_id,
            action=TicketAction.RESOLVED,
            actor=principal.name,
            detail=body.comment,
        )
    )


@router.post("/{ticket_id}/verdict", **_AFTER_ACTION)
async def verdict(context: Context, principal: Asking, ticket_id: Identifier, body: Verdict) -> WireResponse:
    """Somebody says what it really was; kept as a label for the detector."""
    right = body.right_asset
    return WireResponse(
        await act(
            context,
            ticket_id=ticket_id,
            action=TicketAction.VERDICT,
            actor=principal.name,
            detail=body.comment,
            data={"verdict": body.verdict, **({"right_asset": right.model_dump()} if right else {})},
        )
    )


@router.post("/{ticket_id}/reopen", **_AFTER_ACTION)
async def reopen(
    context: Context, principal: Asking, ticket_id: Identifier, body: Remark = _NO_REMARK
) -> WireResponse:
    """Somebody disagrees that it is settled."""
    return WireResponse(
        await act(
            context,
            ticket_id=ticket_id,
            action=TicketAction.REOPENED,
            actor=principal.name,
            detail=body.comment,
        )
    )


@router.post("/{ticket_id}/close", **_AFTER_ACTION)
async def close(
    context: Context, principal: Asking, ticket_id: Identifier, body: Remark = _NO_REMARK
) -> WireResponse:
    """Somebody says that nothing is left to be done. Verified tickets close by themselves after a while."""
    return WireResponse(
        await act(
            context,
            ticket_id=ticket_id,
            action=TicketAction.CLOSED,
            actor=principal.name,
            detail=body.comment,
        )
    )
