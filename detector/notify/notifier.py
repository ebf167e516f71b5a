"""Delivers: one queue and one worker per route, so that a dead receiver delays nobody else and detection never.

What is to be told is worked out from the tickets themselves, and what was told is recorded before it is sent. So
after a crash nothing is told twice, and nothing of the last hour is forgotten. Only a try that was under way at
that moment is in doubt: it is repeated by webhook, under the same idempotency key, and by no other way.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import tenacity

from detector.notify import apprise_, webhook
from detector.notify.message import compose
from detector.notify.routes import NEWS, Telling, escalation_of, escalations, tellings
from detector.notify.ways import UndeliveredError
from detector.tickets import ACTOR
from laddvakt.domain.errors import LaddvaktError
from laddvakt.domain.stations import Site
from laddvakt.domain.tickets import Ticket, TicketAction, TicketEvent, apply_event
from laddvakt.settings import Settings
from laddvakt.stores.ports import Delivery, Records, Route

logger = logging.getLogger(__name__)

QUEUE = 500
"""Tellings that may wait per route; beyond them, the next look at the last hour finds what was left out."""
LOOK_EVERY_S = 30.0
SENDING = "sending"
"""A try is under way, or was when the process died."""
WAITING = "waiting for the next try"
_REMEMBERED = 10_000

T = TypeVar("T")


class InThread(Protocol):
    """Runs work on the records in the thread that is theirs."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


class Notifier:
    """`run` until cancelled; `tell` when tickets changed. All calls to the records go through `in_thread`."""

    def __init__(
        self,
        settings: Settings,
        records: Records,
        *,
        clock: Callable[[], datetime],
        in_thread: InThread,
        changed: Callable[[Ticket], Awaitable[None]],
        tries: int = 6,
        longest_wait_s: float = 120.0,
    ) -> None:
        self._settings = settings
        self._records = records
        self._clock = clock
        self._in_thread = in_thread
        self._changed = changed
        self._tries = tries
        self._longest_wait_s = longest_wait_s
        self._routes: list[Route] = []
        self._zones: dict[str, ZoneInfo] = {}
        self._queues: dict[str, asyncio.Queue[Telling]] = {}
        self._known: OrderedDict[str, None] = OrderedDict()
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Looks at the last hour now and then: after a restart, after a full queue, and for escalations."""
        async with asyncio.TaskGroup() as group:
            self._group, self._queues, self._known = group, {}, OrderedDict()
            while True:
                await self._look()
                await asyncio.sleep(LOOK_EVERY_S)

    def tell(self, tickets: Iterable[Ticket]) -> None:
        """Returns at once."""
        now = self._clock()
        for ticket in tickets:
            self._queue(tellings(ticket, self._routes, now, self._zone_of(ticket)))

    def _zone_of(self, ticket: Ticket) -> ZoneInfo:
        """A route's hours are the site's own."""
        return self._zones.get(ticket.site_id or "", self._settings.zone)

    async def _look(self) -> None:
        now = self._clock()

        def read() -> tuple[list[Route], list[Site], list[Ticket]]:
            with self._records.read() as work:
                routes = work.routes.all()
                if not routes:
                    return [], [], []
                recent = [*work.tickets.unsettled(), *work.tickets.settled_since(now - NEWS)]
                return routes, work.stations.sites(), recent

        self._routes, sites, recent = await self._in_thread(read)
        self._zones = {site.site_id: ZoneInfo(site.timezone) for site in sites}
        for ticket in recent:
            self._queue(tellings(ticket, self._routes, now, self._zone_of(ticket)))
            self._queue(escalations(ticket, self._routes, now, self._zone_of(ticket)))

    def _queue(self, found: list[Telling]) -> None:
        for telling in found:
            if telling.delivery_id in self._known or self._group is None:
                continue
            queue = self._queues.get(telling.route_id)
            if queue is None:
                queue = self._queues[telling.route_id] = asyncio.Queue(QUEUE)
                self._group.create_task(self._deliver_for_ever(queue))
            try:
                queue.put_nowait(telling)
            except asyncio.QueueFull:
                logger.warning("route %s: its queue is full; the rest waits", telling.route_id)
                return
            self._known[telling.delivery_id] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    async def _deliver_for_ever(self, queue: asyncio.Queue[Telling]) -> None:
        while True:
            telling = await queue.get()
            try:
                await self._deliver(telling)
            except Exception:  # a plugin's own failure must not stop the route, nor detection
                logger.exception("route %s was not told of ticket %s", telling.route_id, telling.ticket_id)

    async def _deliver(self, telling: Telling) -> None:
        send = await self._in_thread(lambda: self._claim(telling))
        if send is None:
            return
        failure = ""
        try:
            async for attempt in self._retrying():
                with attempt:
                    await self._try(telling, send, again=attempt.retry_state.attempt_number > 1)
        except LaddvaktError as error:
            failure = str(error)
            logger.error("route %s was not told of ticket %s: %s", telling.route_id, telling.ticket_id, failure)
        told = await self._in_thread(lambda: self._record(telling, failure))
        if told is not None:
            await self._changed(told)

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

    async def _try(self, telling: Telling, send: Callable[[], None], *, again: bool) -> None:
        """One try; whether one was under way is on record, for whoever comes after a crash."""
        if again:
            await self._in_thread(lambda: self._mark(telling, SENDING))
        try:
            await asyncio.to_thread(send)
        except UndeliveredError:
            await self._in_thread(lambda: self._mark(telling, WAITING))
            raise

    def _mark(self, telling: Telling, detail: str) -> None:
        with self._records.begin() as work:
            work.routes.record(self._delivery(telling, ok=False, detail=detail))

    def _claim(self, telling: Telling) -> Callable[[], None] | None:
        """Puts the delivery on record as begun, unless it was sent or given up before; how to send it."""
        with self._records.begin() as work:
            before = work.routes.delivery(telling.delivery_id)
            if before is not None and before.detail == SENDING and not webhook.is_webhook(telling.url):
                logger.warning("delivery %s was cut short and is not repeated", telling.delivery_id)
                return None
            if before is not None and before.detail not in (SENDING, WAITING):
                return None
            ticket = work.tickets.get(telling.ticket_id)
            route = next((r for r in work.routes.all() if r.route_id == telling.route_id), None)
            if ticket is None or route is None:
                return None
            first = escalation_of(telling, ticket, route)
            if first is not None and work.routes.delivery(first) is None:
                return None  # whoever was not called need not be called off
            site = next((s for s in work.stations.sites() if s.site_id == ticket.site_id), None)
            work.routes.record(self._delivery(telling, ok=False, detail=SENDING))
        message = compose(
            ticket, telling.event, site=site, public_url=self._settings.web.public_url, zone=self._settings.zone
        )
        way = webhook.send if webhook.is_webhook(telling.url) else apprise_.send
        return lambda: way(telling, ticket, message)

    def _record(self, telling: Telling, failure: str) -> Ticket | None:
        """The outcome, and a line in the ticket's history when somebody was told."""
        with self._records.begin() as work:
            work.routes.record(self._delivery(telling, ok=not failure, detail=failure))
            ticket = work.tickets.get(telling.ticket_id)
            if failure or ticket is None:
                return None
            event = TicketEvent(
                at=self._clock(),
                action=TicketAction.NOTIFIED,
                actor=ACTOR,
                detail=f"Route {telling.route_id} was told: {telling.event}.",
                data={"route_id": telling.route_id, "event": str(telling.event)},
            )
            ticket = msgspec.structs.replace(apply_event(ticket, event), updated_at=ticket.updated_at)
            work.tickets.save(ticket)
            return ticket

    def _delivery(self, telling: Telling, *, ok: bool, detail: str) -> Delivery:
        return Delivery(
            delivery_id=telling.delivery_id,
            ticket_id=telling.ticket_id,
            route_id=telling.route_id,
            event=str(telling.event),
            at=self._clock(),
            ok=ok,
            detail=detail[:500],
        )
