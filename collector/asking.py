"""What the collector asks stations by itself once a link has settled: StatusNotifications are not queued offline,
so after a gap nobody knows what a connector does until the station says it again, and some never do. A station
that never said what it is, is asked for its BootNotification.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from collector.calls import Calls
from collector.link import Link
from laddvakt.domain.commands import CommandResult, CommandStatus
from laddvakt.domain.errors import StoreError
from laddvakt.domain.stations import ConnectorState, Station, place_of
from laddvakt.eventlog.tasks import cancel_and_wait
from laddvakt.stores.ports import Records

logger = logging.getLogger(__name__)

ACTOR = "collector"
SETTLE_S = 15.0
_JITTER_S = 15.0  # stations that came back together are not asked together
_PER_SECOND = 10.0  # stations, of all: a network that comes back must not be flooded
_AT_ONCE = 100  # stations whose records are read together
_MAX_DEAF = 100_000
_NO = ("NotImplemented", "NotSupported")


class Question(NamedTuple):
    """A command that asks a station to say something."""

    action: str
    payload: dict[str, Any]


def questions(station: Station, protocol: str) -> list[Question]:
    """What to ask a connected station: which of its connectors are unknown, and what it is."""
    asked = []
    if station.vendor is None and station.model is None:
        asked.append(_trigger("BootNotification", {}))
    for connector in station.connectors:
        if connector.connector_id and connector.status is ConnectorState.UNKNOWN:
            place: dict[str, Any] = {"connectorId": connector.connector_id}
            if protocol != "ocpp1.6":
                evse_id, number = place_of(connector.connector_id)
                place = {"evse": {"id": evse_id, "connectorId": number}}
            asked.append(_trigger("StatusNotification", place))
    return asked


def _trigger(message: str, place: dict[str, Any]) -> Question:
    return Question("TriggerMessage", {"requestedMessage": message, **place})


def is_deaf(result: CommandResult) -> bool:
    """Whether the station does not know TriggerMessage, or not for this: it is not asked again."""
    if result.status is CommandStatus.CALLERROR:
        return result.error is not None and result.error.code in _NO
    return result.answer is not None and result.answer.get("status") in _NO


class Asker:
    """`run` serves until cancelled. `watch` is told of every connection."""

    def __init__(
        self,
        calls: Calls,
        records: Records,
        *,
        settle_s: float = SETTLE_S,
        jitter: Callable[[], float] = lambda: random.uniform(0, _JITTER_S),  # noqa: S311  # no secret
    ) -> None:
        self._calls = calls
        self._records = records
        self._settle_s = settle_s
        self._jitter = jitter
        self._loop = asyncio.get_running_loop()
        self._due: deque[Link] = deque()
        self._wake = asyncio.Event()
        self._deaf: set[str] = set()

    def watch(self, link: Link) -> None:
        """A station has connected."""
        if link.station_id not in self._deaf and link.policy.registration == "Accepted":
            self._loop.call_later(self._settle_s + self._jitter(), self._settled, link)

    def _settled(self, link: Link) -> None:
        if self._calls.link_of(link.station_id) is link:
            self._due.append(link)
            self._wake.set()

    async def run(self) -> None:
        asking: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._due:
                    for link, asked in await self._questions():
                        task = asyncio.create_task(self._ask(link, asked))
                        asking.add(task)
                        task.add_done_callback(asking.discard)
                        await asyncio.sleep(1 / _PER_SECOND)
        finally:
            await cancel_and_wait(asking)

    async def _questions(self) -> list[tuple[Link, list[Question]]]:
        """Of the next stations that are due, those that there is something to ask."""
        links = [self._due.popleft() for _ in range(min(_AT_ONCE, len(self._due)))]
        try:
            stations = await asyncio.to_thread(self._read, [link.station_id for link in links])
        except StoreError as error:
            logger.warning("%d stations are not asked what they did not say: %s", len(links), error)
            return []
        known = ((link, stations.get(link.station_id)) for link in links)
        found = [(link, questions(station, link.protocol)) for link, station in known if station is not None]
        return [(link, asked) for link, asked in found if asked]

    async def _ask(self, link: Link, asked: list[Question]) -> None:
        for question in asked:
            if self._calls.link_of(link.station_id) is not link:
                return
            result = await self._calls.send(link.station_id, *question, actor=ACTOR)
            if is_deaf(result) and len(self._deaf) < _MAX_DEAF:
                self._deaf.add(link.station_id)
                return
            if result.status in (CommandStatus.TIMEOUT, CommandStatus.LOST):
                return

    def _read(self, station_ids: list[str]) -> dict[str, Station]:
        with self._records.read() as work:
            return work.stations.many(station_ids)
