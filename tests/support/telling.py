"""Factories for notifications: tickets with a life, routes, the book of who wants to be told."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec

from detector.notify.plan import Telling
from detector.notify.routes import Book
from detector.tickets import ACTOR
from laddvakt.domain.oncall import OnCall
from laddvakt.domain.tickets import Asset, Severity, Ticket, TicketAction, TicketEvent, apply_event
from laddvakt.stores.ports import Delivery, Route
from tests.support.detector import START

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def event(
    action: TicketAction, minutes: float = 0, *, severity: str = "P2", actor: str = ACTOR, detail: str = ""
) -> TicketEvent:
    at = START + timedelta(minutes=minutes)
    return TicketEvent(at=at, action=action, actor=actor, detail=detail, data={"severity": severity})


def ticket(
    *events: TicketEvent, ticket_id: str = "T-1", severity: Severity = Severity.P2, at_minutes: float = 0
) -> Ticket:
    """An offline station, opened at START (09:00 in Stockholm, a Saturday), and what became of it."""
    opened = Ticket(
        ticket_id=ticket_id,
        fault="offline",
        asset=Asset(kind="station", id="SE-1"),
        station_id="SE-1",
        site_id="site-1",
        severity=severity,
        opened_at=START + timedelta(minutes=at_minutes),
        updated_at=START + timedelta(minutes=at_minutes),
        explanation="SE-1 has been silent.",
        events=(event(TicketAction.OPENED, at_minutes, severity=severity),),
    )
    for item in events:
        opened = apply_event(opened, item)
    return opened


def route(**how: object) -> Route:
    return msgspec.structs.replace(Route(route_id="ops", urls=("https://example.org/hook",)), **how)


def book(*routes: Route, on_call: OnCall | None = None) -> Book:
    return Book(routes, on_call or OnCall(), {"site-1": STOCKHOLM}, ZoneInfo("UTC"))


def delivered(telling: Telling, *, ok: bool = True) -> Delivery:
    return Delivery(
        delivery_id=telling.delivery_id,
        ticket_id=telling.ticket_id,
        route_id=telling.to.route_id,
        contact=telling.to.contact,
        number=telling.to.number,
        event=str(telling.event),
        at=telling.due,
        ok=ok,
        detail="" if ok else "it is away",
    )
