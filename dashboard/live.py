"""What is going on now, kept in memory once per process and pushed to every viewer.

`LiveState` starts from a snapshot of the records and follows the live feed; it takes a fresh snapshot when the
feed comes back, when the recorder's pulse had a gap, and when a live message did not fit. It holds *parts*
(stations, tickets, sessions, totals, health), each a map from key to a small JSON-able view.

A `Viewer` is one browser tab. It remembers which keys changed since its last push, never the changes themselves,
so a slow viewer costs no more memory than a fast one and always gets the newest value.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

import msgspec
from dash import Patch

import laddvakt
from dashboard import formats, queries
from dashboard.components import tiles
from dashboard.components.rows import session_row
from dashboard.context import AppContext
from laddvakt.domain.errors import StoreError
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import UNSETTLED, Ticket
from laddvakt.domain.times import parse_time, rfc3339

log = logging.getLogger(__name__)

PUSH_EVERY_S = 0.5
"""The least time between two pushes to one viewer."""

BEAT_S = 4.0
"""A viewer hears from us at least this often, so that it can tell silence from calm."""

TOTALS_EVERY_S = 3.0
"""The least time between two queries for what ended today."""

PULSE_GAP_S = 5.0
"""A recorder that was silent this long may have published what nobody heard: take a snapshot."""

ENDED_KEPT = 50
"""Sessions that just ended and stay in the live sessions part, for the sessions page."""

RETRY_S = 2.0

REREAD_EVERY_S = 20.0
PARTS = ("sites", "stations", "tickets", "sessions", "totals", "health")

Key = tuple[str, str]  # part, key


class Pulse(msgspec.Struct, frozen=True):
    """A service says that it lives; `lag_s` is how far behind the log it is."""

    service: str
    at: str
    lag_s: float = 0.0


class LiveState:
    """The network as it is now. Runs on one event loop: `async with LiveState(context) as live`."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._zone = context.settings.zone
        self._epoch = uuid.uuid4().hex[:12]
        self._stations: dict[str, Station] = {}
        self._sessions: dict[str, Session] = {}  # not ended
        self._tickets: dict[str, Ticket] = {}  # unsettled
        self._ended = queries.EndedToday(since=context.clock(), energy_wh=0, money={})
        self._parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
        self._viewers: set[Viewer] = set()
        self._missed: list[tuple[str, bytes]] | None = None  # live messages during a snapshot
        self._stale = asyncio.Event()  # a snapshot is wanted
        self._recount = asyncio.Event()  # what ended today is wanted
        self._totals_dirty = False
        self._pulse_at: datetime | None = None
        self.counted_at: datetime | None = None  # when the figures of today were last read
        self._tasks: list[asyncio.Task[None]] = []
        self._unsubscribe: Callable[[], Awaitable[None] | None] | None = None
        self._set(
            "health", "about", {"epoch": self._epoch, "version": laddvakt.__version__, "zone": self._zone.key}
        )
        self._set("health", "pulse", {"since": rfc3339(context.clock()), "at": None, "lag_s": 0.0})

    async def __aenter__(self) -> LiveState:
        feed = self._context.feed
        if feed is not None:
            self._unsubscribe = await feed.subscribe(self._heard)
            feed.on_reconnect(self._stale.set)
        self._stale.set()
        self._tasks = [asyncio.create_task(self._keep_whole()), asyncio.create_task(self._keep_counted())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unsubscribe is not None:
            waiting = self._unsubscribe()
            if waiting is not None:
                await waiting
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def viewer(self, parts: Iterable[str]) -> Viewer:
        """A new viewer of some parts; use it as a context manager."""
        return Viewer(self, frozenset(parts) | {"health"})

    # What viewers read

    def part(self, name: str) -> dict[str, Any]:
        return self._parts[name]

    def now_text(self) -> str:
        return rfc3339(self._context.clock())

    def attach(self, viewer: Viewer) -> None:
        self._viewers.add(viewer)

    def detach(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)

    @property
    def viewers(self) -> int:
        """How many tabs are watching."""
        return len(self._viewers)

    # Snapshots

    async def _keep_whole(self) -> None:
        while True:
            # Again now and then without a reason: an import of stations is not on the feed.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REREAD_EVERY_S):
                    await self._stale.wait()
            self._stale.clear()
            self._missed = []
            try:
                network = await asyncio.to_thread(queries.network, self._context.records)
            except StoreError as error:
                log.warning("no snapshot of the records yet: %s", error)
                self._missed = None
                await asyncio.sleep(RETRY_S)
                self._stale.set()
                continue
            missed, self._missed = self._missed, None
            self._replace(network)
            for kind, data in missed:
                self._heard(kind, data)
            self._recount.set()

    def _replace(self, network: queries.Network) -> None:
        self._stations = {station.station_id: station for station in network.stations}
        self._sessions = {session.session_id: session for session in network.sessions}
        self._tickets = {ticket.ticket_id: ticket for ticket in network.tickets}
        self._replace_part("sites", {site.site_id: tiles.site_view(site) for site in network.sites})
        self._replace_part("tickets", {t.ticket_id: tiles.ticket_card(t) for t in network.tickets})
        self._replace_part("sessions", {s.session_id: session_row(s, self._zone) for s in network.sessions})
        for gone in self._parts["stations"].keys() - self._stations.keys():
            self._drop("stations", gone)
        for station_id in self._stations:
            self._show_station(station_id)
        self._show_totals()

    def _replace_part(self, part: str, views: dict[str, Any]) -> None:
        for gone in self._parts[part].keys() - views.keys():
            self._drop(part, gone)
        for key, view in views.items():
            self._set(part, key, view)

    # Today's figures

    async def _keep_counted(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._until_midnight_s()):  # wait_for may swallow a cancellation
                    await self._recount.wait()
            except TimeoutError:
                log.debug("a new day begins")
            self._recount.clear()
            now = self._context.clock()
            try:
                self._ended = await asyncio.to_thread(
                    queries.ended_today, self._context.records, now=now, zone=self._zone
                )
                self.counted_at = now
            except StoreError as error:
                log.warning("no figures of today yet: %s", error)
                self._recount.set()
            self._show_totals()
            await asyncio.sleep(TOTALS_EVERY_S)

    def _until_midnight_s(self) -> float:
        now = self._context.clock()
        return max(1.0, (formats.next_midnight(now, self._zone) - now).total_seconds())

    # The live feed

    def _heard(self, kind: str, data: bytes) -> None:
        """One live message; on the event loop. One that cannot be read asks for a snapshot instead."""
        if self._missed is not None and kind != "pulse":
            self._missed.append((kind, data))
            return
        take = {
            "station": self._station,
            "session": self._session,
            "ticket": self._ticket,
            "pulse": self._pulse,
        }.get(kind)
        if take is None:
            return
        try:
            take(data)
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("unreadable live %s message: %s", kind, error)
            self._stale.set()

    def _station(self, data: bytes) -> None:
        station = msgspec.json.decode(data, type=Station)
        self._stations[station.station_id] = station
        self._show_station(station.station_id)
        self._totals_later()

    def _session(self, data: bytes) -> None:
        session = msgspec.json.decode(data, type=Session)
        if session.state is SessionState.ENDED:
            self._sessions.pop(session.session_id, None)
            self._recount.set()
            self._set("sessions", session.session_id, session_row(session, self._zone))
            self._forget_ended()
        else:
            self._sessions[session.session_id] = session
            self._set("sessions", session.session_id, session_row(session, self._zone))
        self._show_station(session.station_id)
        self._totals_later()

    def _forget_ended(self) -> None:
        ended = [key for key in self._parts["sessions"] if key not in self._sessions]
        for key in ended[: max(0, len(ended) - ENDED_KEPT)]:
            self._drop("sessions", key)

    def _ticket(self, data: bytes) -> None:
        ticket = msgspec.json.decode(data, type=Ticket)
        if ticket.state in UNSETTLED:
            self._tickets[ticket.ticket_id] = ticket
            self._set("tickets", ticket.ticket_id, tiles.ticket_card(ticket))
        else:
            self._tickets.pop(ticket.ticket_id, None)
            self._drop("tickets", ticket.ticket_id)
        self._show_station(ticket.station_id)

    def _pulse(self, data: bytes) -> None:
        pulse = msgspec.json.decode(data, type=Pulse)
        if pulse.service != "recorder":
            return
        now = self._context.clock()
        at = min(parse_time(pulse.at) or now, now)
        before, self._pulse_at = self._pulse_at, at
        view = {**self._parts["health"]["pulse"], "at": rfc3339(at), "lag_s": round(pulse.lag_s, 1)}
        if before is None or at - before > timedelta(seconds=PULSE_GAP_S):
            self._set("health", "pulse", view)
            if before is not None:
                self._stale.set()
        else:
            self._parts["health"]["pulse"] = view  # goes along with the next push; a beat at the latest

    # Views

    def _show_station(self, station_id: str) -> None:
        station = self._stations.get(station_id)
        if station is None:
            return
        sessions = [s for s in self._sessions.values() if s.station_id == station_id]
        worst = tiles.worst_severity(t for t in self._tickets.values() if t.station_id == station_id)
        view = tiles.station_tile(station, sessions, worst, now=self._context.clock(), zone=self._zone)
        self._set("stations", station_id, view)

    def _totals_later(self) -> None:
        """Totals move with every message; viewers' own pace bounds the work: they are made when one reads."""
        self._totals_dirty = True
        for viewer in self._viewers:
            viewer.nudge("totals")

    def fresh_totals(self) -> None:
        """Brings the totals up to date if anything moved since."""
        if self._totals_dirty:
            self._show_totals()

    def _show_totals(self) -> None:
        self._totals_dirty = False
        stations, sessions = list(self._stations.values()), list(self._sessions.values())
        by_station: dict[str, list[Session]] = {}
        for session in sessions:
            by_station.setdefault(session.station_id, []).append(session)
        kw_w = sum(tiles.total_power_w(s, by_station.get(s.station_id, [])) for s in stations)
        view = tiles.totals_view(
            stations=stations,
            sessions=sessions,
            ended_wh=self._ended.energy_wh,
            ended_money=self._ended.money,
            currency=self._context.settings.currency,
            kw_w=kw_w,
        )
        self._set("totals", "now", view)

    def _set(self, part: str, key: str, view: Any) -> None:
        views = self._parts[part]
        if views.get(key) == view:
            return
        views[key] = view
        for viewer in self._viewers:
            viewer.touch((part, key))

    def _drop(self, part: str, key: str) -> None:
        if self._parts[part].pop(key, None) is None:
            return
        for viewer in self._viewers:
            viewer.touch((part, key))


class Viewer:
    """One browser tab, and what it has not seen yet."""

    def __init__(self, live: LiveState, parts: frozenset[str]) -> None:
        self._live = live
        self._parts = parts
        self._dirty: set[Key] = set()
        self._shown: set[Key] = set()  # keys that the browser holds
        self._wake = asyncio.Event()
        self._beats = 0

    def __enter__(self) -> Viewer:
        self._live.attach(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.detach(self)

    def touch(self, key: Key) -> None:
        if key[0] in self._parts:
            self._dirty.add(key)
            self._wake.set()

    def nudge(self, part: str) -> None:
        """Something of this part may have changed; it is worked out when this viewer looks."""
        if part in self._parts:
            self._wake.set()

    async def changed(self) -> None:
        """Waits until there is something to push: a change, or the next beat."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await self._wake.wait()

    def everything(self) -> dict[str, Any]:
        """All parts, whole; what changed before is in it."""
        self._live.fresh_totals()
        self._wake.clear()
        self._dirty.clear()
        whole = {part: dict(self._live.part(part)) for part in sorted(self._parts)}
        self._shown = {(part, key) for part, views in whole.items() for key in views}
        return {**whole, "now": self._live.now_text(), "beat": 0}

    def changes(self) -> Patch:
        """Only what changed since the last push, as a patch of what the browser holds."""
        self._live.fresh_totals()
        self._wake.clear()
        dirty, self._dirty = self._dirty, set()
        self._beats += 1
        patch = Patch()
        for part, key in sorted(dirty):
            views = self._live.part(part)
            if key in views:
                patch[part][key] = views[key]
                self._shown.add((part, key))
            elif (part, key) in self._shown:
                del patch[part][key]
                self._shown.discard((part, key))
        patch["health"]["pulse"] = self._live.part("health")["pulse"]
        patch["now"] = self._live.now_text()
        patch["beat"] = self._beats
        return patch
