"""Whom to tell: which routes concern a ticket, and the addresses behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from detector.notify.hours import in_force
from laddvakt.domain.oncall import OnCall
from laddvakt.domain.tickets import Severity, Ticket
from laddvakt.stores.ports import Route

MAY_WAIT = frozenset({Severity.P3, Severity.P4})
"""What a route's quiet hours hold back."""


class Event(StrEnum):
    """What people are told of."""

    OPENED = "opened"  # a new ticket
    REOPENED = "reopened"  # the fault came back
    WORSE = "worse"  # its severity rose
    ESCALATED = "escalated"  # nobody took it within the route's time
    REMINDER = "reminder"  # nobody has taken it since
    EXPLAINED = "explained"  # another ticket is the cause of this one
    RESOLVED = "resolved"  # the fault is gone, or somebody says so


class Reason(StrEnum):
    """Why a route is told, or not."""

    TOLD = "told"  # it matches
    OTHER_SITE = "other_site"  # the route is for other sites
    OTHER_SEVERITY = "other_severity"  # the route is for other severities
    OUTSIDE_HOURS = "outside_hours"  # the route is not in force then
    ESCALATION_ONLY = "escalation_only"  # the route is told when nobody takes the ticket


class Recipient(NamedTuple):
    """One address, named without saying it: the `number`th of a contact, or of the route itself."""

    route_id: str
    contact: str
    number: int


class Address(NamedTuple):
    """A recipient and the URL, which carries secrets."""

    to: Recipient
    url: str


class Book(NamedTuple):
    """All that is known of who wants to be told. `zone` is where a site does not say."""

    routes: Sequence[Route]
    on_call: OnCall
    zones: Mapping[str, ZoneInfo]  # of sites
    zone: ZoneInfo

    def zone_of(self, ticket: Ticket) -> ZoneInfo:
        """Hours are the site's own."""
        return self.zones.get(ticket.site_id or "", self.zone)


def judge(route: Route, ticket: Ticket, event: Event, at: datetime, zone: ZoneInfo) -> Reason:
    """Whether a route is told of an event at this moment."""
    if route.sites and ticket.site_id not in route.sites:
        return Reason.OTHER_SITE
    if route.severities and Severity(ticket.severity) not in route.severities:
        return Reason.OTHER_SEVERITY
    if not in_force(route.hours, at, zone):
        return Reason.OUTSIDE_HOURS
    if route.escalate_after_s is not None and event not in (Event.ESCALATED, Event.REMINDER):
        return Reason.ESCALATION_ONLY
    return Reason.TOLD


def escalation_delay(route: Route, ticket: Ticket) -> timedelta | None:
    """How long the route waits for somebody to take the ticket; None: it is told at once."""
    seconds = route.escalate_after_s
    if ticket.severity == Severity.P1 and route.escalate_p1_after_s is not None:
        seconds = route.escalate_p1_after_s
    return None if seconds is None else timedelta(seconds=seconds)


def is_quiet(route: Route, ticket: Ticket, at: datetime, zone: ZoneInfo) -> bool:
    """Whether what is to be told now has to wait for the end of the route's quiet hours."""
    if route.quiet is None or Severity(ticket.severity) not in MAY_WAIT:
        return False
    return in_force(route.quiet, at, zone)


def addresses(route: Route, on_call: OnCall, at: datetime) -> list[Address]:
    """Everybody whom the route reaches at this moment, each once. A contact who is gone is left out."""
    own = [Address(Recipient(route.route_id, "", n), url) for n, url in enumerate(route.urls)]
    people = dict.fromkeys((*route.contacts, *_on_duty(route, on_call, at)))
    return own + [address for name in people for address in _of_contact(route, on_call, name)]


def find_address(to: Recipient, book: Book) -> Address | None:
    """The address of somebody who was told before; None where it is no longer in the book."""
    route = next((route for route in book.routes if route.route_id == to.route_id), None)
    if route is None:
        return None
    if to.contact:
        known = list(_of_contact(route, book.on_call, to.contact))
    else:
        known = [Address(Recipient(route.route_id, "", n), url) for n, url in enumerate(route.urls)]
    return next((address for address in known if address.to == to), None)


def _on_duty(route: Route, on_call: OnCall, at: datetime) -> Iterator[str]:
    duty = on_call.on_duty(route.rota, at) if route.rota else None
    if duty is not None:
        name = duty.backup if route.backup else duty.first
        if name is not None:
            yield name


def _of_contact(route: Route, on_call: OnCall, name: str) -> Iterator[Address]:
    contact = on_call.contact(name)
    for number, url in enumerate(contact.urls if contact is not None else ()):
        yield Address(Recipient(route.route_id, name, number), url)
