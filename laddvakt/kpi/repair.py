"""How long faults take: to be found, to be taken, to be mended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from laddvakt.domain.tickets import Ticket, TicketAction, stood

_TAKEN = {TicketAction.ACKNOWLEDGED, TicketAction.ASSIGNED}


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Sums in seconds and how many tickets each is of; a mean is sum over count."""

    detect_s: float = 0.0
    detected: int = 0
    acknowledge_s: float = 0.0
    acknowledged: int = 0
    repair_s: float = 0.0
    repaired: int = 0


def durations(tickets: Iterable[Ticket]) -> Durations:
    """Time to detect: from when the fault began, as far as known, to the ticket. To acknowledge: from ticket to
    the first person who took it. To repair: from ticket to its end, without the hours between an end and a return.
    What has not happened yet counts nowhere."""
    detect, taken, mended = [], [], []
    for ticket in tickets:
        since = next((e.data.get("since") for e in ticket.events if e.action is TicketAction.OPENED), None)
        if isinstance(since, str):
            detect.append(max((ticket.opened_at - datetime.fromisoformat(since)).total_seconds(), 0.0))
        first = min((e.at for e in ticket.events if e.action in _TAKEN), default=None)
        if first is not None:
            taken.append((first - ticket.opened_at).total_seconds())
        if ticket.resolved_at is not None:
            spans = [(since, until) for since, until in stood(ticket) if until is not None]
            mended.append(sum((until - since).total_seconds() for since, until in spans))
    return Durations(
        detect_s=sum(detect),
        detected=len(detect),
        acknowledge_s=sum(taken),
        acknowledged=len(taken),
        repair_s=sum(mended),
        repaired=len(mended),
    )
