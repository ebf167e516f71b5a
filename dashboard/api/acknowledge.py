"""`/acknowledge/{token}`: the page behind the link in a message. Looking changes nothing, the button acknowledges.

Nobody signs in: the link says for whom it was made, and that is what the audit says.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import NamedTuple

from fastapi import APIRouter, Response
from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse, RedirectResponse

from dashboard import formats
from dashboard.components.words import TICKET, fault_title
from dashboard.context import AppContext
from dashboard.tickets import act
from dashboard.web.guard import MAX_FORM_BYTES
from dashboard.web.wiring import Context
from laddvakt.acknowledging import PATH, AckLink, opening_of, read
from laddvakt.domain.errors import ConflictError, LinkError
from laddvakt.domain.stations import Site
from laddvakt.domain.tickets import Ticket, TicketAction, TicketState
from laddvakt.settings import web_secret

router = APIRouter(include_in_schema=False)

_page = Environment(loader=PackageLoader("dashboard.api", "."), autoescape=True).get_template("acknowledge.html")


class _Opened(NamedTuple):
    """A link that is good, and what it is about."""

    link: AckLink
    ticket: Ticket
    site: Site | None


@router.get(PATH + "{token}")
async def show(context: Context, token: str) -> Response:
    try:
        return _answer(await asyncio.to_thread(_open, context, token), context)
    except LinkError as error:
        return HTMLResponse(_page.render(error=str(error)), 410)


@router.post(PATH + "{token}", max_body_size=MAX_FORM_BYTES)
async def acknowledge(context: Context, token: str) -> Response:
    try:
        opened = await asyncio.to_thread(_open, context, token)
    except LinkError as error:
        return HTMLResponse(_page.render(error=str(error)), 410)
    with contextlib.suppress(ConflictError):  # somebody was quicker: the page says who
        await act(
            context,
            ticket_id=opened.ticket.ticket_id,
            action=TicketAction.ACKNOWLEDGED,
            actor=f"link:{opened.link.who}",
            detail="By the link in a message.",
        )
    return RedirectResponse(PATH + token, 303)


def _open(context: AppContext, token: str) -> _Opened:
    """Raises LinkError."""
    link = read(web_secret(context.settings), token, context.clock())
    with context.records.read() as work:
        ticket = work.tickets.get(link.ticket_id)
        sites = work.stations.sites()
    if ticket is None:
        raise LinkError("there is no such ticket.")
    if opening_of(ticket) != link.opening:
        raise LinkError("the fault has come back since.", mend="Open the newer message, or sign in.")
    return _Opened(link, ticket, next((site for site in sites if site.site_id == ticket.site_id), None))


def _answer(opened: _Opened, context: AppContext) -> Response:
    ticket, site = opened.ticket, opened.site
    zone = context.settings.zone if site is None else site.zone
    html = _page.render(
        ticket=ticket,
        who=opened.link.who,
        fault=fault_title(ticket.fault),
        where=", ".join(filter(None, (site.name if site else ticket.site_id, ticket.asset.id))),
        since=formats.local(ticket.opened_at, zone),
        state=TICKET[ticket.state].word,
        taken_by=_taken_by(ticket),
        is_open=ticket.state is TicketState.OPEN,
    )
    return HTMLResponse(html)


def _taken_by(ticket: Ticket) -> str:
    takers = {TicketAction.ACKNOWLEDGED, TicketAction.ASSIGNED, TicketAction.RESOLVED}
    return next((event.actor for event in reversed(ticket.events) if event.action in takers), "")
