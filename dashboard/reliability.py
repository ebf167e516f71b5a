"""What reliability figures are made of, in one read of the records."""

from __future__ import annotations

from datetime import datetime

from laddvakt.domain.sessions import Session
from laddvakt.kpi.report import Material
from laddvakt.stores.ports import Records, Work

_PAGE = 1_000


def material(records: Records, from_: datetime, to: datetime) -> Material:
    """Everything of the period: sessions by their start, tickets that were open in it, planned work."""
    with records.read() as work:
        tickets = {t.ticket_id: t for t in [*work.tickets.settled_since(from_), *work.tickets.unsettled()]}
        return Material(
            stations=work.stations.all(),
            sites=work.stations.sites(),
            history=work.history.between(from_, to),
            sessions=_sessions(work, from_, to),
            tickets=[ticket for ticket in tickets.values() if ticket.opened_at < to],
            silences=work.silences.overlapping(from_, to),
        )


def _sessions(work: Work, from_: datetime, to: datetime) -> list[Session]:
    found: list[Session] = []
    after = None
    while True:
        page = work.sessions.page(from_=from_, to=to, after=after, limit=_PAGE)
        found += page.items
        if page.next is None:
            return found
        after = page.next
