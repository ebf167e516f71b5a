"""Whom to tell of which event of a ticket. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from detector.tickets import ACTOR
from laddvakt.domain.tickets import Severity, Ticket, TicketAction, TicketEvent, TicketState
from laddvakt.stores.ports import Route

NEWS = timedelta(hours=1)
"""An event older than this is no news: after a long standstill nobody is told of what is past."""

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


class Event(StrEnum):
    """What people are told of."""

    OPENED = "opened"  # a new ticket
    REOPENED = "reopened"  # the fault came back
    WORSE = "worse"  # its severity rose
    RESOLVED = "resolved"  # the fault is gone
    ESCALATED = "escalated"  # nobody took it within the route's time


class Reason(StrEnum):
    """Why a route is told, or not."""

    TOLD = "told"  # it matches
    OTHER_SITE = "other_site"  # the route is for other sites
    OTHER_SEVERITY = "other_severity"  # the route is for other severities
    OUTSIDE_HOURS = "outside_hours"  # the route is not in force now
    ESCALATION_ONLY = "escalation_only"  # the route is told when nobody takes the ticket


class News(NamedTuple):
    """One event of a ticket that people may be told of. `number` tells events of a ticket apart."""

    event: Event
    at: datetime
    number: int


class Telling(NamedTuple):
    """One message to one address. `delivery_id` is made of ticket, event, route and address: it is sent once."""

    delivery_id: str
    ticket_id: str
    route_id: str
    url: str
    event: Event
    at: datetime


def news_of(ticket: Ticket) -> list[News]:
    """The events of a ticket that the detector caused. What a person did, that person knows."""
    found = []
    worst: str = ""
    for number, event in enumerate(ticket.events):
        kind = _kind(event, worst)
        severity = event.data.get("severity")
        if event.actor == ACTOR and isinstance(severity, str):
            worst = min(worst or severity, severity)
        if kind is not None:
            found.append(News(kind, event.at, number))
    return found


def _kind(event: TicketEvent, worst: str) -> Event | None:
    if event.actor != ACTOR:
        return None
    if event.action is TicketAction.UPDATED:
        return Event.WORSE if str(event.data.get("severity", "P9")) < worst else None
    kinds = {
        TicketAction.OPENED: Event.OPENED,
        TicketAction.REOPENED: Event.REOPENED,
        TicketAction.CLEARED: Event.RESOLVED,
    }
    return kinds.get(event.action)


def in_force(hours: str | None, now: datetime, zone: ZoneInfo) -> bool:
    """Whether a route with these hours (`08:00-17:00`, `Mo-Fr 08:00-17:00`; over midnight too) is told now."""
    if not hours:
        return True
    days, _, times = hours.rpartition(" ")
    begin, _, end = times.partition("-")
    local = now.astimezone(zone)
    clock = f"{local.hour:02}:{local.minute:02}"
    if begin <= end:
        return begin <= clock < end and _on_day(days, local.weekday())
    if clock >= begin:
        return _on_day(days, local.weekday())
    return clock < end and _on_day(days, (local.weekday() - 1) % 7)  # the night that began yesterday


def _on_day(days: str, weekday: int) -> bool:
    if not days:
        return True
    first, _, last = days.partition("-")
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    return begin <= weekday <= end if begin <= end else weekday >= begin or weekday <= end


def judge(route: Route, ticket: Ticket, event: Event, now: datetime, zone: ZoneInfo) -> Reason:
    """Whether a route is told of an event."""
    if route.sites and ticket.site_id not in route.sites:
        return Reason.OTHER_SITE
    if route.severities and Severity(ticket.severity) not in route.severities:
        return Reason.OTHER_SEVERITY
    if not in_force(route.hours, now, zone):
        return Reason.OUTSIDE_HOURS
    if route.escalate_after_s is not None and event not in (Event.ESCALATED, Event.RESOLVED):
        return Reason.ESCALATION_ONLY
    return Reason.TOLD


def tellings(ticket: Ticket, routes: Iterable[Route], now: datetime, zone: ZoneInfo) -> list[Telling]:
    """Everything about a ticket that is news now, with one telling per route and address. Those that were sent
    before are among them: whoever sends compares the ids with the recorded deliveries."""
    found = []
    for news in news_of(ticket):
        if now - news.at > NEWS:
            continue
        for route in routes:
            if judge(route, ticket, news.event, now, zone) is Reason.TOLD:
                found += _to(route, ticket, news)
    return found


def escalations(ticket: Ticket, routes: Iterable[Route], now: datetime, zone: ZoneInfo) -> list[Telling]:
    """What is due because nobody took the ticket in time."""
    if ticket.state is not TicketState.OPEN:
        return []
    opened = [news for news in news_of(ticket) if news.event in (Event.OPENED, Event.REOPENED)]
    if not opened:
        return []
    found = []
    for route in routes:
        if route.escalate_after_s is None:
            continue
        due = opened[-1].at + timedelta(seconds=route.escalate_after_s)
        if due <= now <= due + NEWS and judge(route, ticket, Event.ESCALATED, now, zone) is Reason.TOLD:
            found += _to(route, ticket, News(Event.ESCALATED, due, opened[-1].number))
    return found


def escalation_of(telling: Telling, ticket: Ticket, route: Route) -> str | None:
    """The delivery that must have gone out before an escalation route hears of the end; None for other routes."""
    if route.escalate_after_s is None or telling.event is not Event.RESOLVED:
        return None
    before = [n for n in news_of(ticket) if n.event in (Event.OPENED, Event.REOPENED) and n.at <= telling.at]
    if not before:
        return None
    return _delivery_id(ticket.ticket_id, route.route_id, telling.url, Event.ESCALATED, before[-1].number)


def _to(route: Route, ticket: Ticket, news: News) -> list[Telling]:
    return [
        Telling(
            _delivery_id(ticket.ticket_id, route.route_id, url, news.event, news.number),
            ticket.ticket_id,
            route.route_id,
            url,
            news.event,
            news.at,
        )
        for url in route.urls
    ]


def _delivery_id(ticket_id: str, route_id: str, url: str, event: Event, number: int) -> str:
    """The address is part of it only as a digest: it may carry a password."""
    text = "\x1f".join((ticket_id, route_id, url, event, str(number)))
    return f"{ticket_id}-{event}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
