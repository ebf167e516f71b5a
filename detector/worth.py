"""What tickets are worth: revenue at risk, from the asset's own past and from how long repairs took so far."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from statistics import median

import msgspec

from laddvakt.billing.at_risk import PAST, Usage, revenue_at_risk
from laddvakt.domain.tickets import UNSETTLED, Severity, Ticket
from laddvakt.stores.ports import Work

REPAIR_H = {Severity.P1: 24.0, Severity.P2: 48.0, Severity.P3: 168.0, Severity.P4: 336.0}
"""Hours from opening to the end of the fault, until enough tickets have ended to know better."""
ENOUGH = 5
_NEWEST = 200


class Worth:
    """Learns from tickets that were settled; the median of the newest 200 of a severity is what to expect."""

    def __init__(self, margin: float) -> None:
        self._margin = margin
        self._hours: dict[Severity, deque[tuple[str, float]]] = {}

    def learn(self, ticket: Ticket) -> None:
        """One that was put under another ticket says nothing of repairs."""
        if ticket.resolved_at is None or ticket.held_by is not None:
            return
        known = self._hours.setdefault(Severity(ticket.severity), deque(maxlen=_NEWEST))
        lasted = (ticket.resolved_at - ticket.opened_at) / timedelta(hours=1)
        if all(ticket_id != ticket.ticket_id for ticket_id, _ in known):
            known.append((ticket.ticket_id, max(0.0, lasted)))

    def repair_h(self, severity: Severity) -> float:
        known = self._hours.get(severity, ())
        return median(hours for _, hours in known) if len(known) >= ENOUGH else REPAIR_H[severity]

    def valued(self, ticket: Ticket, now: datetime, work: Work) -> Ticket:
        """The ticket with its revenue at risk as it is now. A fault that lasts longer than repairs take has cost
        what it lasted."""
        if ticket.state not in UNSETTLED:
            return ticket
        lasted_h = (now - ticket.opened_at) / timedelta(hours=1)
        risk = revenue_at_risk(
            _usage(ticket, work),
            until=ticket.opened_at,
            hours=max(self.repair_h(Severity(ticket.severity)), lasted_h),
            probability=ticket.confidence,
            margin=self._margin,
        )
        return msgspec.structs.replace(ticket, revenue_at_risk=risk)


def _usage(ticket: Ticket, work: Work) -> list[Usage]:
    """Of the connector, the station, or all stations of the site, before the fault."""
    stations = [ticket.station_id]
    if ticket.asset.kind == "site":
        stations = [s.station_id for s in work.stations.bare() if s.site_id == ticket.asset.id]
    connector_id = ticket.connector_id or None
    if ticket.asset.kind not in ("connector", "cable"):
        connector_id = None
    return work.sessions.usage(stations, connector_id, from_=ticket.opened_at - PAST, to=ticket.opened_at)
