"""Which tickets belong together: neighbours, and storms. Bookkeeping only: nothing is read or written."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from detector.tickets import Policy
from laddvakt.domain.tickets import Ticket

NEAR = timedelta(minutes=30)
"""Tickets of one site that open within this time may have one cause."""
MAX_RELATED = 20
"""More links tell nobody anything."""


def related(one: Ticket, other: Ticket) -> bool:
    """Of the same asset or station; or at one site, opened soon after each other."""
    if one.ticket_id == other.ticket_id:
        return False
    if one.asset == other.asset or one.station_id == other.station_id:
        return True
    near = abs(one.opened_at - other.opened_at) <= NEAR
    return near and one.site_id is not None and one.site_id == other.site_id


class Storms:
    """Many tickets of one fault that open within minutes, as after a firmware that went wrong: all of them get
    the storm's id, so that people are told of it once. It lasts as long as such tickets keep coming."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._openings: dict[str, dict[str, datetime]] = {}  # fault -> ticket -> when it opened
        self._ids: dict[str, str] = {}  # fault -> storm

    def note(self, ticket: Ticket, at: datetime) -> None:
        """A ticket was opened, or opened again."""
        openings = self._openings.setdefault(ticket.fault, {})
        for known, opened_at in list(openings.items()):
            if at - opened_at > self._policy.storm_within:
                del openings[known]
        if not openings:
            self._ids.pop(ticket.fault, None)
        openings[ticket.ticket_id] = at
        if ticket.storm is not None:
            self._ids[ticket.fault] = ticket.storm

    def members(self, faults: Iterable[str]) -> dict[str, str]:
        """Ticket -> storm, of the storms that rage now among these faults."""
        found: dict[str, str] = {}
        for fault in set(faults):
            openings = self._openings.get(fault, {})
            if fault not in self._ids and len(openings) >= self._policy.storm_tickets:
                self._ids[fault] = f"storm-{fault}-{min(openings.values()):%Y%m%dT%H%M%S}"
            if fault in self._ids:
                found |= dict.fromkeys(openings, self._ids[fault])
        return found
