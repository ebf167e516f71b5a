"""What people do with tickets, for pages and API alike."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from dashboard.auth import Action, allowed
from dashboard.context import AppContext
from laddvakt.domain.errors import ConflictError, NotFoundError
from laddvakt.domain.tickets import UNSETTLED, Ticket, TicketAction, TicketEvent, apply_event
from laddvakt.stores.ports import AuditItem, Work

PEOPLE_ACTIONS = frozenset(
    {
        TicketAction.ACKNOWLEDGED,
        TicketAction.ASSIGNED,
        TicketAction.COMMENTED,
        TicketAction.RESOLVED,
        TicketAction.VERDICT,
        TicketAction.REOPENED,
        TicketAction.CLOSED,
    }
)
"""The others are the detector's."""

VERDICTS = ("confirmed", "wrong_asset", "vehicle", "no_fault_found")


async def act(
    context: AppContext,
    *,
    ticket_id: str,
    action: TicketAction,
    actor: str,
    detail: str = "",
    data: dict[str, Any] | None = None,
) -> Ticket:
    """Does `action` to a ticket and returns it as it is afterwards: one transaction with its audit, then the live
    feed. `data` is `{"assignee": user}` for ASSIGNED and `{"verdict": one of VERDICTS}` for VERDICT, with
    `right_asset` (kind and id) where the verdict is wrong_asset and it is known.

    Raises NotFoundError for an unknown ticket and ConflictError when the action does not fit its state.
    """
    event = TicketEvent(at=context.clock(), action=action, actor=actor, detail=detail, data=data or {})
    ticket = await asyncio.to_thread(_apply, context, ticket_id, event)
    if context.feed is not None:
        await context.feed.publish("ticket", msgspec.json.encode(ticket))
    return ticket


def _apply(context: AppContext, ticket_id: str, event: TicketEvent) -> Ticket:
    with context.records.begin() as work:
        ticket = work.tickets.get(ticket_id)
        if ticket is None:
            raise NotFoundError(f"there is no ticket {ticket_id}.")
        _check(work, event)
        if event.action is TicketAction.REOPENED:
            _check_only_one(work, ticket)
        changed = apply_event(ticket, event)
        work.tickets.save(changed)
        work.people.audit(_audit_item(ticket_id, event))
    return changed


def _check(work: Work, event: TicketEvent) -> None:
    if event.action not in PEOPLE_ACTIONS:
        raise ConflictError(f"only the detector can say that a ticket is {event.action}.")
    if event.action is TicketAction.ASSIGNED:
        _check_assignee(work, event.data.get("assignee"))
    if event.action is TicketAction.VERDICT:
        _check_verdict(event.data)


def _check_only_one(work: Work, ticket: Ticket) -> None:
    """One open ticket per fault and asset."""
    page = work.tickets.page(states=sorted(UNSETTLED), asset=ticket.asset.id)
    same = [t.ticket_id for t in page.items if (t.fault, t.asset) == (ticket.fault, ticket.asset)]
    if same and same != [ticket.ticket_id]:
        raise ConflictError(f"ticket {same[0]} is open for the same fault.", mend="Work on that one.")


def _check_verdict(data: dict[str, Any]) -> None:
    if data.get("verdict") not in VERDICTS:
        raise ConflictError(
            f"{data.get('verdict')!r} is not a verdict.", mend=f"Choose one of {', '.join(VERDICTS)}."
        )
    if data.get("right_asset") is not None and data["verdict"] != "wrong_asset":
        raise ConflictError("another asset belongs to the verdict wrong_asset only.")


def _check_assignee(work: Work, name: Any) -> None:
    user = work.people.user(name) if isinstance(name, str) else None
    if user is None or user.disabled:
        raise ConflictError(f"there is no user {name!r} to give the ticket to.")
    if not allowed(user.role, Action.WORK_ON_TICKETS):
        raise ConflictError(f"{name} is a {user.role} and cannot work on tickets.")


def _audit_item(ticket_id: str, event: TicketEvent) -> AuditItem:
    detail = {**event.data, **({"comment": event.detail} if event.detail else {})}
    return AuditItem(
        at=event.at, actor=event.actor, action=f"ticket.{event.action}", object=ticket_id, detail=detail
    )
