"""Carries one message to one address, and keeps on record what became of it.

What is told is recorded before it is sent, so after a crash nothing is told twice. Only a try that was under way
at that moment is in doubt: it is repeated by webhook, under the same idempotency key, and by no other way.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec
import tenacity

from detector.notify import apprise_, webhook
from detector.notify.message import Links, Subject, compose, digest, ticket_link
from detector.notify.plan import Telling
from detector.notify.routes import Event
from detector.notify.ways import Letter, UndeliveredError
from detector.tickets import ACTOR
from laddvakt.acknowledging import PATH, AckLink, opening_of, sign
from laddvakt.domain.errors import LaddvaktError
from laddvakt.domain.tickets import Ticket, TicketAction, TicketEvent, TicketState, apply_event
from laddvakt.settings import Settings, web_secret
from laddvakt.stores.ports import Delivery, Records, Work

logger = logging.getLogger(__name__)

SENDING = "sending"
"""A try is under way, or was when the process died."""
WAITING = "waiting for the next try"
UNDER_WAY = frozenset({SENDING, WAITING})
DIGEST = "digest"

T = TypeVar("T")


class InThread(Protocol):
    """Runs work on the records in the thread that is theirs."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


class Parcel(NamedTuple):
    """What is about to be sent: the tellings that nobody has carried yet, and their one letter."""

    tellings: tuple[Telling, ...]
    letter: Letter


class Postman:
    """`deliver` never raises for what a receiver does. `changed` is told of tickets whose history got a line."""

    def __init__(
        self,
        settings: Settings,
        records: Records,
        *,
        clock: Callable[[], datetime],
        in_thread: InThread,
        changed: Callable[[Ticket], Awaitable[None]],
        tries: int,
        longest_wait_s: float,
    ) -> None:
        self._settings = settings
        self._records = records
        self._clock = clock
        self._in_thread = in_thread
        self._changed = changed
        self._tries = tries
        self._longest_wait_s = longest_wait_s
        self._secret = web_secret(settings) if settings.web.public_url else ""

    async def deliver(self, tellings: Sequence[Telling]) -> bool:
        """Carries them as one message; whether anything left."""
        parcel = await self._in_thread(lambda: self._claim(tellings))
        if parcel is None:
            return False
        failure, tries = "", 0
        try:
            async for attempt in self._retrying():
                tries = attempt.retry_state.attempt_number
                with attempt:
                    await self._try(parcel, tries)
        except LaddvaktError as error:
            failure = str(error)
            route = parcel.tellings[0].to.route_id
            logger.error("route %s was not told of %s: %s", route, _names(parcel.tellings), failure)
        for ticket in await self._in_thread(lambda: self._record(parcel, failure, tries)):
            await self._changed(ticket)
        return not failure

    def _retrying(self) -> tenacity.AsyncRetrying:
        longest_s = self._longest_wait_s
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(UndeliveredError),
            stop=tenacity.stop_after_attempt(self._tries),
            wait=tenacity.wait_exponential_jitter(
                multiplier=min(1.0, longest_s), max=longest_s, jitter=min(1.0, longest_s)
            ),
            reraise=True,
        )

    async def _try(self, parcel: Parcel, tries: int) -> None:
        """One try; whether one was under way is on record, for whoever comes after a crash."""
        if tries > 1:
            await self._in_thread(lambda: self._mark(parcel, SENDING, tries))
        try:
            await asyncio.to_thread(self._send, parcel)
        except UndeliveredError:
            await self._in_thread(lambda: self._mark(parcel, WAITING, tries))
            raise

    def _send(self, parcel: Parcel) -> None:
        url = parcel.tellings[0].url
        if webhook.is_webhook(url):
            webhook.send(url, parcel.letter, self._clock())
        else:
            apprise_.send(url, parcel.letter)

    # What is on record

    def _claim(self, tellings: Sequence[Telling]) -> Parcel | None:
        """Puts the deliveries on record as begun, but those that were sent or given up before."""
        with self._records.begin() as work:
            mine = tuple(one for one in tellings if self._is_mine(one, work))
            subjects = [(subject, one.event) for one in _newest(mine) if (subject := self._subject(one, work))]
            if not subjects:
                return None
            parcel = Parcel(mine, self._letter(mine, subjects))
            for delivery in self._deliveries(parcel, ok=False, detail=SENDING, tries=1):
                work.routes.record(delivery)
        return parcel

    def _is_mine(self, telling: Telling, work: Work) -> bool:
        before = work.routes.delivery(telling.delivery_id)
        if before is None:
            return True
        if before.detail == SENDING and not webhook.is_webhook(telling.url):
            logger.warning("delivery %s was cut short and is not repeated", telling.delivery_id)
            return False
        return before.detail in UNDER_WAY

    def _subject(self, telling: Telling, work: Work) -> Subject | None:
        ticket = work.tickets.get(telling.ticket_id)
        if ticket is None:
            return None
        station = work.stations.get(ticket.station_id)
        site_id = ticket.site_id or (station.site_id if station is not None else None)
        site = next((site for site in work.stations.sites() if site.site_id == site_id), None)
        told = next(iter(work.commands.page(ticket.station_id, limit=1).items), None)
        return Subject(ticket, site, station, told, self._settings.zone)

    def _letter(self, tellings: Sequence[Telling], subjects: Sequence[tuple[Subject, Event]]) -> Letter:
        tickets = tuple(subject.ticket for subject, _ in subjects)
        public_url = self._settings.web.public_url
        if len(subjects) > 1:
            key = hashlib.sha256("\x1f".join(one.delivery_id for one in tellings).encode()).hexdigest()[:32]
            message = digest(subjects, public_url)
            return Letter(f"{DIGEST}-{key}", DIGEST, tellings[-1].at, message, tickets)
        ((subject, event),) = subjects
        acknowledge = self._acknowledge_url(subject.ticket, tellings[-1])
        links = Links(ticket_link(subject.ticket.ticket_id, public_url), acknowledge)
        message = compose(subject, event, links)
        return Letter(tellings[-1].delivery_id, event, tellings[-1].at, message, tickets, acknowledge)

    def _acknowledge_url(self, ticket: Ticket, telling: Telling) -> str:
        if not self._secret or ticket.state is not TicketState.OPEN:
            return ""
        lasts = timedelta(hours=self._settings.alerts.acknowledge_link_h)
        who = telling.to.contact or telling.to.route_id
        link = AckLink(ticket.ticket_id, opening_of(ticket), who, self._clock() + lasts)
        return f"{self._settings.web.public_url.rstrip('/')}{PATH}{sign(self._secret, link)}"

    def _mark(self, parcel: Parcel, detail: str, tries: int) -> None:
        with self._records.begin() as work:
            for delivery in self._deliveries(parcel, ok=False, detail=detail, tries=tries):
                work.routes.record(delivery)

    def _record(self, parcel: Parcel, failure: str, tries: int) -> list[Ticket]:
        """The outcome, and a line in the tickets' history when somebody was told; reminders leave none."""
        changed = []
        with self._records.begin() as work:
            for delivery in self._deliveries(parcel, ok=not failure, detail=failure, tries=tries):
                work.routes.record(delivery)
            for telling in () if failure else _newest(parcel.tellings):
                ticket = work.tickets.get(telling.ticket_id)
                if ticket is None or telling.event is Event.REMINDER:
                    continue
                ticket = msgspec.structs.replace(
                    apply_event(ticket, self._told(telling)), updated_at=ticket.updated_at
                )
                work.tickets.save(ticket)
                changed.append(ticket)
        return changed

    def _told(self, telling: Telling) -> TicketEvent:
        route, contact = telling.to.route_id, telling.to.contact
        whom = f"{contact} (route {route})" if contact else f"Route {route}"
        return TicketEvent(
            at=self._clock(),
            action=TicketAction.NOTIFIED,
            actor=ACTOR,
            detail=f"{whom} was told: {telling.event}.",
            data={
                "route_id": route,
                "contact": contact,
                "way": way_of(telling.url),
                "event": str(telling.event),
            },
        )

    def _deliveries(self, parcel: Parcel, *, ok: bool, detail: str, tries: int) -> list[Delivery]:
        count = len(parcel.letter.tickets)
        return [
            Delivery(
                delivery_id=telling.delivery_id,
                ticket_id=telling.ticket_id,
                route_id=telling.to.route_id,
                contact=telling.to.contact,
                number=telling.to.number,
                way=way_of(telling.url),
                event=str(telling.event),
                at=self._clock(),
                ok=ok,
                tries=tries,
                tickets=count,
                detail=detail[:500],
            )
            for telling in parcel.tellings
        ]


def way_of(url: str) -> str:
    """How an address is reached, in a word that shows nothing else of it."""
    return "webhook" if webhook.is_webhook(url) else urlsplit(url).scheme[:40]


def _newest(tellings: Sequence[Telling]) -> list[Telling]:
    """One for each ticket, the last said of it."""
    return list({telling.ticket_id: telling for telling in tellings}.values())


def _names(tellings: Sequence[Telling]) -> str:
    names = list(dict.fromkeys(telling.ticket_id for telling in tellings))
    return f"ticket {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
