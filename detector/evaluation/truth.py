"""What really happened (TRUTH.json of `laddvakt simulate`), and what the tickets said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from laddvakt.domain.tickets import Asset, Ticket, TicketAction, TicketEvent


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault as it was laid upon the fleet. `shown_at` is when the station first sent something that the fault
    had changed; None: never, so nobody could have seen it. `strength` 0..1."""

    fault: str
    asset: Asset
    station_id: str
    stations: tuple[str, ...] = ()  # all that it strikes, of a site's
    connector_id: int | None = None
    since: datetime
    until: datetime | None = None
    shown_at: datetime | None = None
    shown_again: tuple[datetime, ...] = ()  # the next few times
    strength: float = 1.0
    detail: str = ""


class LookAlike(msgspec.Struct, frozen=True, kw_only=True):
    """Something that resembles a fault and is none: no ticket may come of it."""

    look_alike: str
    station_id: str = ""  # empty: a whole site's
    site_id: str = ""
    connector_id: int | None = None
    since: datetime
    until: datetime | None = None
    detail: str = ""


class Truth(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The ground truth of one log."""

    seed: int
    from_: datetime
    until: datetime
    stations: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    look_alikes: tuple[LookAlike, ...] = ()

    @property
    def days(self) -> float:
        return (self.until - self.from_).total_seconds() / 86_400


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One call for attention: a ticket's opening, its reopening, or a new name for it. `resolved_at` None: it
    stood at the end."""

    ticket_id: str
    fault: str
    asset: Asset
    station_id: str
    site_id: str | None
    connector_id: int | None
    severity: str
    opened_at: datetime
    resolved_at: datetime | None
    confidence: float
    again: bool  # not the first of its ticket
    says: str


_CALLS = {TicketAction.OPENED, TicketAction.REOPENED}
_SETTLES = {TicketAction.CLEARED, TicketAction.RESOLVED, TicketAction.HELD}


def alarms_of(tickets: Iterable[Ticket]) -> list[Alarm]:
    """Every time a ticket called for attention, in the order of time."""
    alarms = [alarm for ticket in tickets for alarm in _alarms(ticket)]
    return sorted(alarms, key=lambda alarm: (alarm.opened_at, alarm.ticket_id))


def _alarms(ticket: Ticket) -> Iterable[Alarm]:
    calls = [event for event in ticket.events if event.action in _CALLS or "was" in event.data]
    settled = [event.at for event in ticket.events if event.action in _SETTLES]
    for number, event in enumerate(calls):
        later = calls[number + 1].at if number + 1 < len(calls) else None
        ends = [at for at in settled if at >= event.at and (later is None or at <= later)]
        fault, asset = _named(ticket, calls[number + 1 :])
        yield Alarm(
            ticket_id=ticket.ticket_id,
            fault=fault,
            asset=asset,
            station_id=ticket.station_id,
            site_id=ticket.site_id,
            connector_id=ticket.connector_id,
            severity=str(ticket.severity),
            opened_at=event.at,
            resolved_at=min(ends, default=None),
            confidence=float(event.data.get("confidence", ticket.confidence)),
            again=number > 0,
            says=event.detail or ticket.explanation,
        )


def _named(ticket: Ticket, later: Iterable[TicketEvent]) -> tuple[str, Asset]:
    """What a ticket said to be at fault, and where, until the `later` calls."""
    renamed = next((event.data for event in later if "was" in event.data), None)
    if renamed is None:
        return ticket.fault, ticket.asset
    return str(renamed["was"]), msgspec.convert(renamed["was_asset"], Asset)
