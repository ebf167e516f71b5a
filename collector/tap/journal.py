"""Between listening and the event log: what waits is bounded; what does not fit is counted, never waited for."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from collector.link import Link
from collector.ocpp.action import Policy
from collector.tap.conversation import Conversation
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import EventLogError
from laddvakt.domain.facts import NotObserved
from laddvakt.eventlog.appender import Appender

logger = logging.getLogger(__name__)

Read = Callable[[], list[Entry]]
AWAY = "the event log was slow or away"
ENDED = "the tap ended while the event log was slow or away"
_SLICE_S = 0.002  # of reading, then forwarding has its turn
_COUNTED_BYTES = 512  # what a message costs besides its text
_MOST_GAPS = 20_000  # stations


class _Said(NamedTuple):
    conversation: Conversation
    at: datetime
    size: int
    read: Read


class Gap(NamedTuple):
    """Messages of a station that are not kept."""

    since: datetime
    until: datetime
    messages: int
    why: str  # of the first
    link: bool  # the station came or went meanwhile


class Journal:
    """`put` takes what was said; it is read in slices and appended when there is a log. `bound_bytes` is for all
    that waits: to be read, for an answer, or for the log. Everything on the event loop; nothing raises."""

    def __init__(self, *, bound_bytes: int, protocol_of: Callable[[str], str | None]) -> None:
        self._bound = bound_bytes
        self._protocol_of = protocol_of  # of a station that is connected now
        self._waiting: deque[_Said] = deque()
        self._gaps: dict[str, Gap] = {}
        self._unlogged: dict[str, tuple[datetime, int]] = {}  # station -> since when, and how many
        self._appender: Appender | None = None
        self._reading = False
        self._losing = False
        self.size = 0
        self.observed = 0
        self.not_observed = 0

    def open(self, appender: Appender) -> None:
        """There is a log now."""
        self._appender = appender
        self._read_soon()
        self._tell_gaps(appender)

    def unlogged(self, now: datetime, longer_than: timedelta) -> dict[str, Gap]:
        """What would be lost if this process ended: by station, what waits for so long, and the known gaps."""
        waiting = {
            station_id: Gap(since, now, count, ENDED, link=False)
            for station_id, (since, count) in self._unlogged.items()
            if now - since >= longer_than
        }
        return {**waiting, **self._gaps}

    def inherit(self, gaps: dict[str, Gap]) -> None:
        """What a former process could not write down."""
        self._gaps.update(gaps)

    def put(self, conversation: Conversation, at: datetime, length: int, read: Read) -> None:
        """`read` makes the entries of a message of `length` bytes, later. 0: the connection begins or ends."""
        size = 2 * length + _COUNTED_BYTES  # its text, and the facts in it
        if self.size + size > self._bound:
            if not self._losing:
                logger.warning("the event log is slow or away: messages pass without being observed")
            self._losing = True
            self.missed(conversation.station_id, at, AWAY, messages=1 if length else 0, link=not length)
            return
        self.size += size
        since, count = self._unlogged.get(conversation.station_id, (at, 0))
        self._unlogged[conversation.station_id] = (since, count + 1)
        self._waiting.append(_Said(conversation, at, size, read))
        self._read_soon()

    def overdue(self, conversation: Conversation, now: datetime) -> None:
        """Has calls written down that wait for an answer in vain."""
        self.put(conversation, now, 1, partial(conversation.overdue, now))

    def missed(self, station_id: str, at: datetime, why: str, *, messages: int = 1, link: bool = False) -> None:
        """Counts messages that are not kept."""
        self.not_observed += messages
        gap = self._gaps.get(station_id)
        if gap is None and len(self._gaps) >= _MOST_GAPS:
            return  # counted all the same
        gap = gap or Gap(at, at, 0, why, link=False)
        self._gaps[station_id] = Gap(
            min(gap.since, at), max(gap.until, at), gap.messages + messages, gap.why, gap.link or link
        )

    def flush(self) -> None:
        """Reads all that waits, now."""
        while self._waiting and self._appender is not None:
            self._read_one(self._appender, self._waiting.popleft())

    def _read_soon(self) -> None:
        if self._appender is not None and not self._reading and self._waiting:
            self._reading = True
            asyncio.get_running_loop().call_soon(self._read, self._appender)

    def _read(self, appender: Appender) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _SLICE_S
        while self._waiting and loop.time() < until:
            self._read_one(appender, self._waiting.popleft())
        self._reading = False
        self._read_soon()

    def _read_one(self, appender: Appender, said: _Said) -> None:
        station_id = said.conversation.station_id
        held = said.conversation.held_bytes
        try:
            entries = said.read()
        except Exception as error:  # a fault of ours costs this message, and is said
            logger.exception("cannot read a message of %s", station_id)
            self._settled(station_id, said.size)
            self.missed(station_id, said.at, f"a fault of Laddvakt: {type(error).__name__}")
            return
        size = said.size - 2 * (said.conversation.held_bytes - held)  # a held call goes on being counted
        self._tell_gap(appender, station_id)
        for entry in entries[:-1]:
            self._append(appender, entry)
        if entries:
            self._append(appender, entries[-1], size)
        else:
            self._settled(station_id, size)

    def _append(self, appender: Appender, entry: Entry, size: int | None = None) -> None:
        """`size` is given back when the entry is durable, with the last one of a message."""
        try:
            appender.submit(entry, None if size is None else partial(self._durable, entry.station_id, size))
        except EventLogError as error:
            logger.error("%s", error)
            if size is not None:
                self._settled(entry.station_id, size)
            self.missed(entry.station_id, entry.received_at, "the event log cannot take it")

    def _settled(self, station_id: str, size: int) -> None:
        self.size -= size
        since, count = self._unlogged.pop(station_id)
        if count > 1:
            self._unlogged[station_id] = (since, count - 1)

    def _durable(self, station_id: str, size: int) -> None:
        self._settled(station_id, size)
        self.observed += 1
        if self._gaps and self._appender is not None and self.size < self._bound // 2:
            self._tell_gaps(self._appender)

    def _tell_gaps(self, appender: Appender) -> None:
        """The log takes entries again: also of stations that say nothing more."""
        if self._losing:
            logger.info("everything that passes is observed again")
        self._losing = False
        for station_id in list(self._gaps):
            self._tell_gap(appender, station_id)

    def _tell_gap(self, appender: Appender, station_id: str) -> None:
        gap = self._gaps.pop(station_id, None)
        if gap is None:
            return
        protocol = self._protocol_of(station_id)
        fact = NotObserved(at=gap.since, until=gap.until, messages=gap.messages, reason=gap.why)
        entry = Entry(station_id=station_id, kind=EntryKind.GAP, received_at=gap.until, facts=(fact,))
        self._append(appender, entry)
        if gap.link:
            link = Link(station_id, protocol or "", Policy())
            now = link.disconnected(gap.until, AWAY) if protocol is None else link.connected(gap.until)
            self._append(appender, now)
