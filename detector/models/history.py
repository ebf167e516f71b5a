"""What of the past is not to be learnt as normal: what tickets say was broken."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from detector.features import Span
from laddvakt.domain.tickets import Ticket

BEFORE_TICKET = timedelta(hours=24)
"""What was gathered this long before a ticket is left out: the fault was there before it was found."""

HEALTHY = frozenset({"no_fault_found", "vehicle"})
"""Verdicts after which the equipment's rows are learnt after all, as what is normal."""

OF_THE_LINK = frozenset({"offline", "site_outage", "flapping", "clock_drift", "non_conforming"})
"""Faults that say nothing about what charging looked like; a day's features do tell them."""


class Exclusion(msgspec.Struct, frozen=True, array_like=True):
    """Rows of a station from `since` to `until` (seconds since 1970) are left out; `only_days`: of days only."""

    station_id: str
    since: int
    until: int
    only_days: bool = False

    def concerns(self, span: Span) -> bool:
        return span is Span.DAY or not self.only_days


def exclusions(tickets: Iterable[Ticket], now: datetime) -> list[Exclusion]:
    """From a day before each ticket until it was resolved; a ticket of a site counts for the station it names.
    Where a person says that the fault was at another station, that one's rows are left out too."""
    return [
        Exclusion(
            station_id=station_id,
            since=int((ticket.opened_at - BEFORE_TICKET).timestamp()),
            until=int((ticket.resolved_at or now).timestamp()),
            only_days=ticket.fault in OF_THE_LINK,
        )
        for ticket in tickets
        if ticket.verdict not in HEALTHY
        for station_id in _stations(ticket)
    ]


def _stations(ticket: Ticket) -> set[str]:
    """Which stations were broken, as far as ids tell: a cable's own id does not."""
    right = ticket.right_asset
    if right is None or right.kind not in ("station", "connector"):
        return {ticket.station_id}
    return {ticket.station_id, right.id.rpartition("/")[0] if right.kind == "connector" else right.id}
