"""Keeps people told: looks at tickets when they change, and when something of them falls due.

Each address has a queue and a worker of its own, so that a dead receiver delays nobody else and detection never.
What is to be told is worked out from the tickets themselves (`plan`), what leaves together from what waits
(`storm`); the `postman` carries it. So after a crash nothing of the last hour is forgotten, nor told twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from detector.notify.plan import LONGEST_QUIET, NEWS, Telling, plan
from detector.notify.postman import UNDER_WAY, InThread, Postman
from detector.notify.routes import Book, Recipient
from detector.notify.storm import ONE_BY_ONE, gather
from laddvakt.domain.silences import covering, place_of
from laddvakt.domain.tickets import UNSETTLED, Ticket
from laddvakt.settings import Settings
from laddvakt.stores.ports import Delivery, Records, Work

logger = logging.getLogger(__name__)

QUEUE = 500
"""Tellings that may wait per address; beyond them, the next look at the last hour finds what was left out."""
LOOK_EVERY = timedelta(seconds=30)
LOOK_AGAIN = timedelta(seconds=1)
"""At all tickets, and not sooner after the last such look."""
_REMEMBERED = 10_000


class Queue:
    """What waits for one address, and when messages left for it."""

    def __init__(self) -> None:
        self.waiting: list[Telling] = []
        self.sent: deque[datetime] = deque(maxlen=ONE_BY_ONE)
        self.came = asyncio.Event()


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
        self._on_change = changed
        self._postman = Postman(
            settings,
            records,
            clock=clock,
            in_thread=in_thread,
            changed=self._was_told,
            tries=tries,
            longest_wait_s=longest_wait_s,
        )
        self._news: dict[str, Ticket] = {}
        self._woken = asyncio.Event()
        self._queues: dict[Recipient, Queue] = {}
        self._known: OrderedDict[str, None] = OrderedDict()
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Looks at tickets that changed at once, and at all that can have news when something falls due."""
        async with asyncio.TaskGroup() as group:
            self._group, self._queues, self._known = group, {}, OrderedDict()
            all_at = self._clock()
            while True:
                self._woken.clear()
                changed, self._news = list(self._news.values()), {}
                now = self._clock()
                if now >= all_at:
                    later = await self._look(None)
                    all_at = max(now + LOOK_AGAIN, min(now + LOOK_EVERY, later or now + LOOK_EVERY))
                elif changed:
                    later = await self._look(changed)
                    all_at = min(all_at, later or all_at)
                await _first(self._woken, all_at - self._clock())

    def tell(self, tickets: Iterable[Ticket]) -> None:
        """Returns at once."""
        self._news |= {ticket.ticket_id: ticket for ticket in tickets}
        self._woken.set()

    async def _was_told(self, ticket: Ticket) -> None:
        """It may have ended while somebody was being told of its beginning."""
        if ticket.state not in UNSETTLED:
            self.tell([ticket])
        await self._on_change(ticket)

    # What is to be told

    async def _look(self, tickets: Sequence[Ticket] | None) -> datetime | None:
        """At these tickets, or at all that can have news; when something of them falls due that is not due yet."""
        now = self._clock()
        planned = await self._in_thread(lambda: self._planned(tickets, now))
        self._queue(telling for telling in planned if telling.due <= now)
        return min((telling.due for telling in planned if telling.due > now), default=None)

    def _planned(self, tickets: Sequence[Ticket] | None, now: datetime) -> list[Telling]:
        """What is to be told of them, now or later, and was not."""
        with self._records.read() as work:
            book = self._book(work)
            if not book.routes:
                return []
            looked_at = _placed(work, _recent(work, book, now) if tickets is None else tickets)
            deliveries = work.routes.deliveries(ticket.ticket_id for ticket in looked_at)
            silences = work.silences.overlapping(now, now)
        told: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            told.setdefault(delivery.ticket_id, []).append(delivery)
        over = {delivery.delivery_id for delivery in deliveries if delivery.detail not in UNDER_WAY}
        planned: list[Telling] = []
        for ticket in looked_at:
            silenced = covering(silences, place_of(ticket), ticket.fault, now) is not None
            planned += plan(ticket, book, told.get(ticket.ticket_id, ()), now, silenced=silenced)
        return [telling for telling in planned if telling.delivery_id not in over]

    def _book(self, work: Work) -> Book:
        zones = {site.site_id: site.zone for site in work.stations.sites()}
        return Book(work.routes.all(), work.routes.on_call(), zones, self._settings.zone)

    # Who is told

    def _queue(self, found: Iterable[Telling]) -> None:
        for telling in found:
            if telling.delivery_id in self._known or self._group is None:
                continue
            queue = self._queues.get(telling.to)
            if queue is None:
                queue = self._queues[telling.to] = Queue()
                self._group.create_task(self._serve_for_ever(queue))
            if len(queue.waiting) >= QUEUE:
                logger.warning("route %s: its queue is full; the rest waits", telling.to.route_id)
                continue
            queue.waiting.append(telling)
            queue.came.set()
            self._known[telling.delivery_id] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    async def _serve_for_ever(self, queue: Queue) -> None:
        while True:
            queue.came.clear()
            gathered = gather(queue.waiting, tuple(queue.sent), self._clock())
            if not gathered.now:
                await _first(queue.came, gathered.wait)
                continue
            leaving = {telling.delivery_id for telling in gathered.now}
            queue.waiting = [telling for telling in queue.waiting if telling.delivery_id not in leaving]
            try:
                if await self._postman.deliver(gathered.now):
                    queue.sent.append(self._clock())
            except Exception:  # a plugin's own failure must not stop the route, nor detection
                logger.exception("route %s was not told", gathered.now[0].to.route_id)


def _recent(work: Work, book: Book, now: datetime) -> list[Ticket]:
    """Tickets that can have news: what went in quiet hours is news when they end."""
    longest = NEWS + (LONGEST_QUIET if any(route.quiet for route in book.routes) else timedelta(0))
    return [*work.tickets.unsettled(), *work.tickets.settled_since(now - longest)]


def _placed(work: Work, tickets: Sequence[Ticket]) -> list[Ticket]:
    """With their sites also where the station came into the network file only after the ticket."""
    lost = work.stations.many(ticket.station_id for ticket in tickets if ticket.site_id is None)
    return [
        msgspec.structs.replace(ticket, site_id=ticket.site_id or lost[ticket.station_id].site_id)
        if ticket.station_id in lost
        else ticket
        for ticket in tickets
    ]


async def _first(event: asyncio.Event, wait: timedelta | None) -> None:
    try:
        async with asyncio.timeout(None if wait is None else wait.total_seconds()):
            await event.wait()
    except TimeoutError:
        return
