"""Reliability figures from the records: read stretch by stretch, in one read of the records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from laddvakt.domain.sessions import Session
from laddvakt.kpi.fold import Ask, Stretch, reckon, stretches
from laddvakt.kpi.report import Exclusion, Figure, Fleet, exclusions
from laddvakt.kpi.spans import Span
from laddvakt.stores.ports import Records, Work

_PAGE = 1_000


def report(records: Records, asks: Sequence[Ask], period: Span) -> tuple[list[list[Figure]], list[Exclusion]]:
    """The figures of each ask, whose periods lie in `period`, and what was taken out of them. However long it is,
    memory holds the stations, the period's tickets and one stretch of it (`laddvakt.kpi.fold.PORT_DAYS`)."""
    with records.read() as work:
        fleet = _fleet(work, period)
        spans = stretches(asks, sum(len(station.connectors) for station in fleet.stations))
        before = work.history.last_before(period[0])
        told = (Stretch(span, work.history.between(*span), list(_sessions(work, span))) for span in spans)
        return reckon(fleet, asks, before, told), exclusions(fleet.silences, period)


def _fleet(work: Work, period: Span) -> Fleet:
    tickets = {t.ticket_id: t for t in [*work.tickets.settled_since(period[0]), *work.tickets.unsettled()]}
    return Fleet(
        stations=work.stations.all(),
        sites=work.stations.sites(),
        tickets=[ticket for ticket in tickets.values() if ticket.opened_at < period[1]],
        silences=work.silences.overlapping(*period),
    )


def _sessions(work: Work, span: Span) -> Iterator[Session]:
    after = None
    while True:
        page = work.sessions.page(from_=span[0], to=span[1], after=after, limit=_PAGE)
        yield from page.items
        if page.next is None:
            return
        after = page.next
