"""Links that let somebody acknowledge a ticket from a message: signed, for one ticket, one person and a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from laddvakt.domain.errors import LinkError
from laddvakt.domain.tickets import Ticket, TicketAction

PATH = "/acknowledge/"

_SALT = "acknowledge-ticket"
_OPENINGS = frozenset({TicketAction.OPENED, TicketAction.REOPENED})


class AckLink(NamedTuple):
    """What a link allows: `who` acknowledges this opening of the ticket, not one after the fault is back."""

    ticket_id: str
    opening: int
    who: str
    expires_at: datetime  # whole seconds


def opening_of(ticket: Ticket) -> int:
    """Which opening of the ticket this is: the number of the event."""
    return max((n for n, event in enumerate(ticket.events) if event.action in _OPENINGS), default=0)


def sign(secret: str, link: AckLink) -> str:
    """The token of a link, safe in a URL."""
    said = [link.ticket_id, link.opening, link.who, int(link.expires_at.timestamp())]
    return str(URLSafeSerializer(secret, salt=_SALT).dumps(said))


def read(secret: str, token: str, now: datetime) -> AckLink:
    """The inverse of `sign`. Raises LinkError for one that was not signed here, or is too old."""
    try:
        ticket_id, opening, who, expires = URLSafeSerializer(secret, salt=_SALT).loads(token)
    except (BadData, ValueError) as error:
        raise LinkError("this link is not whole.", mend="Open it from the message itself, or sign in.") from error
    link = AckLink(ticket_id, opening, who, datetime.fromtimestamp(expires, UTC))
    if now >= link.expires_at:
        raise LinkError("this link is too old.", mend="Sign in to see the ticket.")
    return link
