"""The ticket desk: applies decisions to the stored tickets, inside the caller's transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from detector.changes import Change, ChangeKind, finding_key
from detector.tickets import GOOD_SESSION_WH, decide, verify
from laddvakt.domain.tickets import UNSETTLED, Ticket
from laddvakt.stores.ports import Tickets

logger = logging.getLogger(__name__)

REMEMBER = timedelta(days=30)
"""How long a settled ticket may still be verified."""

_Key = tuple[str, str, str]


class Desk:
    """Knows which tickets exist; reads each afresh before it changes it, because people change them too.

    `handle` may be called again with the same changes after a failed transaction: it decides from what is
    stored, so nothing happens twice."""

    def __init__(self, site_of: Callable[[str], str | None]) -> None:
        self._site_of = site_of
        self._newest: dict[_Key, str] = {}
        self._of_station: dict[str, dict[str, datetime]] = {}

    def load(self, tickets: Tickets, now: datetime) -> None:
        """Read once, before the first change."""
        self._newest, self._of_station = {}, {}
        known = [*tickets.settled_since(now - REMEMBER), *tickets.unsettled()]
        for ticket in sorted(known, key=lambda ticket: ticket.opened_at):
            self._remember(ticket)

    def concerns(self, change: Change) -> bool:
        """Whether a change can matter to any ticket: most sessions end on stations that have none."""
        return change.kind is not ChangeKind.SESSION or bool(self._of_station.get(change.station_id))

    def handle(self, changes: Iterable[Change], tickets: Tickets) -> list[Ticket]:
        """Save what the changes ask for; the changed tickets, each once, in the order of their first change."""
        changed: dict[str, Ticket] = {}
        for change in changes:
            for ticket in self._apply(change, tickets, changed):
                changed[ticket.ticket_id] = ticket
                self._remember(ticket)
        for ticket in changed.values():
            tickets.save(ticket)
        return list(changed.values())

    def _apply(self, change: Change, tickets: Tickets, changed: dict[str, Ticket]) -> list[Ticket]:
        def fresh(ticket_id: str | None) -> Ticket | None:
            if ticket_id is None:
                return None
            return changed.get(ticket_id) or tickets.get(ticket_id)

        if change.kind is ChangeKind.SESSION:
            return self._verify(change, fresh)
        if change.finding is None:
            return []
        ticket = fresh(self._newest.get(finding_key(change.finding)))
        decision = decide(change, ticket, site_id=self._site_of(change.station_id))
        if decision.ticket is None:
            return []
        logger.info(
            "ticket %s (%s, %s %s): %s",
            decision.ticket.ticket_id,
            decision.ticket.fault,
            decision.ticket.asset.kind,
            decision.ticket.asset.id,
            decision.reason,
        )
        return [decision.ticket]

    def _verify(self, change: Change, fresh: Callable[[str], Ticket | None]) -> list[Ticket]:
        session = change.session
        mine = self._of_station.get(change.station_id)
        if session is None or not mine or session.energy_wh < GOOD_SESSION_WH:
            return []
        verified = []
        for ticket_id, opened_at in list(mine.items()):
            ticket = fresh(ticket_id)
            if ticket is None or (ticket.state not in UNSETTLED and change.at - opened_at > REMEMBER):
                del mine[ticket_id]
                continue
            decision = verify(session, ticket)
            if decision.ticket is not None:
                verified.append(decision.ticket)
        return verified

    def _remember(self, ticket: Ticket) -> None:
        self._newest[(ticket.fault, ticket.asset.kind, ticket.asset.id)] = ticket.ticket_id
        self._of_station.setdefault(ticket.station_id, {})[ticket.ticket_id] = ticket.opened_at
