"""What is to be told of a ticket, to whom, and when. Pure: the same ticket, book and deliveries give the same
plan, so whoever was told already is found by the delivery's id, also after a restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from detector.notify.hours import end_of
from detector.notify.routes import (
    Address,
    Book,
    Event,
    Reason,
    Recipient,
    addresses,
    escalation_delay,
    find_address,
    is_quiet,
    judge,
)
from detector.tickets import ACTOR
from laddvakt.domain.tickets import UNSETTLED, Severity, Ticket, TicketAction, TicketEvent, TicketState
from laddvakt.stores.ports import Delivery, Route

NEWS = timedelta(hours=1)
"""What was due longer ago is no news: after a long standstill nobody is told of what is past."""
LONGEST_QUIET = timedelta(hours=24)
MAX_REMINDERS = 100
"""Per route and ticket: whom a hundred did not move, another will not."""

OPENINGS = (Event.OPENED, Event.REOPENED)
_ENDINGS = (Event.RESOLVED, Event.EXPLAINED)


class News(NamedTuple):
    """One event of a ticket that people may be told of. `number` tells events of a ticket apart."""

    event: Event
    at: datetime
    number: int


class Telling(NamedTuple):
    """One message to one address. `delivery_id` is made of ticket, event and recipient: it is sent once, at `due`
    or soon after. `held`: it waited for the end of quiet hours. `urgent`: it is about safety."""

    delivery_id: str
    ticket_id: str
    to: Recipient
    url: str
    event: Event
    at: datetime
    due: datetime
    held: bool = False
    urgent: bool = False


def news_of(ticket: Ticket) -> list[News]:
    """What happened that others want to know: what the detector saw, and that somebody resolved it."""
    found = []
    worst = ""
    for number, event in enumerate(ticket.events):
        kind = _kind(event, worst)
        severity = event.data.get("severity")
        if event.actor == ACTOR and isinstance(severity, str):
            worst = min(worst or severity, severity)
        if kind is not None:
            found.append(News(kind, event.at, number))
    return found


def _kind(event: TicketEvent, worst: str) -> Event | None:
    if event.action is TicketAction.RESOLVED:
        return Event.RESOLVED
    if event.actor != ACTOR:
        return None
    if event.action is TicketAction.UPDATED:
        return Event.WORSE if str(event.data.get("severity", "P9")) < worst else None
    kinds = {
        TicketAction.OPENED: Event.OPENED,
        TicketAction.REOPENED: Event.REOPENED,
        TicketAction.CLEARED: Event.RESOLVED,
        TicketAction.HELD: Event.EXPLAINED,
    }
    return kinds.get(event.action)


def plan(
    ticket: Ticket, book: Book, told: Sequence[Delivery], now: datetime, *, silenced: bool = False
) -> list[Telling]:
    """Everything about a ticket that is to be told, in the order in which it falls due; what is due later is among
    it. `told` are the ticket's deliveries so far. A silenced ticket calls nobody who has not been called yet."""
    news = news_of(ticket)
    found = list(_endings(ticket, news, book, told))
    if not silenced:
        for route in book.routes:
            found += _openings(ticket, news, route, book)
            found += _unanswered(ticket, news, route, book, now)
    return sorted((one for one in found if now - one.due <= NEWS), key=lambda one: one.due)


def _openings(ticket: Ticket, news: Iterable[News], route: Route, book: Book) -> Iterator[Telling]:
    if ticket.held_by is not None:
        return  # people are told of what explains it
    for item in news:
        if item.event not in _ENDINGS:
            yield from _to(route, ticket, item, book)


def _unanswered(
    ticket: Ticket, news: Sequence[News], route: Route, book: Book, now: datetime
) -> Iterator[Telling]:
    """Escalation and reminders: while nobody has taken the ticket."""
    opened = next((item for item in reversed(news) if item.event in OPENINGS), None)
    if ticket.state is not TicketState.OPEN or opened is None:
        return
    begin, delay = opened.at, escalation_delay(route, ticket)
    if delay is not None:
        worse = max((item.at for item in news if item.event is Event.WORSE), default=opened.at)
        begin = max(opened.at + delay, worse)
        yield from _to(route, ticket, News(Event.ESCALATED, begin, opened.number), book)
    if route.repeat_every_s is None:
        return
    every = timedelta(seconds=route.repeat_every_s)
    passed = max(0, (now - begin) // every)
    for count in range(max(1, passed), min(passed + 1, MAX_REMINDERS) + 1):
        reminder = News(Event.REMINDER, begin + count * every, opened.number)
        if not is_quiet(route, ticket, reminder.at, book.zone_of(ticket)):
            yield from _to(route, ticket, reminder, book, count)


def _endings(ticket: Ticket, news: Sequence[News], book: Book, told: Iterable[Delivery]) -> Iterator[Telling]:
    """The end, to whoever heard of the beginning."""
    if not news or news[-1].event not in _ENDINGS or ticket.state in UNSETTLED:
        return
    end = news[-1]
    opened = max((item.at for item in news if item.event in OPENINGS), default=ticket.opened_at)
    heard = {
        Recipient(delivery.route_id, delivery.contact, delivery.number)
        for delivery in told
        if delivery.ok and delivery.at >= opened and delivery.event not in _ENDINGS
    }
    routes = {route.route_id: route for route in book.routes}
    for to in sorted(heard):
        address = find_address(to, book)
        if address is not None and not _held_beyond(routes[to.route_id], ticket, opened, end.at, book):
            yield _telling(ticket, end, address, routes[to.route_id], book)


def _held_beyond(route: Route, ticket: Ticket, opened: datetime, end: datetime, book: Book) -> bool:
    """Whether the beginning was told, after quiet hours, only when the end was known."""
    zone = book.zone_of(ticket)
    return is_quiet(route, ticket, opened, zone) and end_of(route.quiet or "", opened, zone) > end


def _to(route: Route, ticket: Ticket, news: News, book: Book, count: int = 0) -> Iterator[Telling]:
    if judge(route, ticket, news.event, news.at, book.zone_of(ticket)) is not Reason.TOLD:
        return
    for address in addresses(route, book.on_call, news.at):
        yield _telling(ticket, news, address, route, book, count)


def _telling(ticket: Ticket, news: News, address: Address, route: Route, book: Book, count: int = 0) -> Telling:
    zone = book.zone_of(ticket)
    held = is_quiet(route, ticket, news.at, zone)
    return Telling(
        delivery_id=_delivery_id(ticket.ticket_id, address.to, news, count),
        ticket_id=ticket.ticket_id,
        to=address.to,
        url=address.url,
        event=news.event,
        at=news.at,
        due=end_of(route.quiet, news.at, zone) if held and route.quiet else news.at,
        held=held,
        urgent=ticket.severity == Severity.P1,
    )


def _delivery_id(ticket_id: str, to: Recipient, news: News, count: int) -> str:
    text = "\x1f".join((ticket_id, *map(str, to), news.event, str(news.number), str(count)))
    return f"{ticket_id}-{news.event}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
