"""Keeps stations' local authorisation lists in step with the records: a few stations at a time, each when it has
connected and when tokens have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from collector.calls import Calls
from collector.link import Link
from collector.ocpp import local_list
from laddvakt.domain.commands import CommandResult, CommandStatus
from laddvakt.domain.errors import StoreError
from laddvakt.stores.ports import ListedToken, Records

logger = logging.getLogger(__name__)

LOOK_S = 15.0
_AT_ONCE = 4
_ROUND = 64  # stations
_PAUSE_S = 0.25  # of each of them between two stations: at most 16 stations a second
_ACTOR = "local list"


class Step(StrEnum):
    """How a station's list stands to the records."""

    IN_STEP = "in_step"  # it holds the newest version, by its own word
    WITHOUT = "without"  # it keeps no lists, or has them switched off
    REFUSED = "refused"  # it does not take the list; tried again when it reconnects or tokens change
    UNANSWERED = "unanswered"  # tried again at the next look


class _Known(NamedTuple):
    link: Link
    version: int
    step: Step


class LocalLists:
    """`run` serves until cancelled."""

    def __init__(
        self,
        records: Records,
        calls: Calls,
        connected: Callable[[], Iterable[str]],
        registered: Callable[[str], bool],
    ) -> None:
        self._records = records
        self._calls = calls
        self._connected = connected
        self._registered = registered
        self._listed: list[ListedToken] = []
        self._known: dict[str, _Known] = {}

    @property
    def version(self) -> int:
        """Of the list that stations should hold."""
        return local_list.version_of(self._listed)

    def totals(self) -> dict[str, int]:
        """Stations by how their lists stand, for the pulse."""
        steps = [known.step for known in self._known.values()]
        return {f"local_lists_{step}": steps.count(step) for step in Step}

    async def run(self) -> None:
        while True:
            try:
                self._listed = await asyncio.to_thread(self._read)
            except StoreError as error:
                logger.warning("the local list is that of before: %s", error)
            more = await self._look() if self._listed else False
            await asyncio.sleep(0 if more else LOOK_S)

    def _read(self) -> list[ListedToken]:
        """Anew only when something changed: each idTag has to be decrypted."""
        with self._records.read() as work:
            return self._listed if work.tokens.list_version() == self.version else work.tokens.listed()

    async def _look(self) -> bool:
        """One round. Whether more stations wait for theirs: between rounds the tokens are read again, so that a
        card that is blocked meanwhile does not wait for the whole fleet."""
        links = {name: link for name in self._connected() if (link := self._calls.link_of(name)) is not None}
        self._known = {name: known for name, known in self._known.items() if links.get(name) is known.link}
        due = sorted(filter(self._is_due, links.values()), key=self._was_silent)
        fresh = sum(not self._was_silent(link) for link in due)
        stations = iter(due[:_ROUND])
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work(stations))
        return fresh > _ROUND

    def _was_silent(self, link: Link) -> bool:
        known = self._known.get(link.station_id)
        return known is not None and known.step is Step.UNANSWERED

    def _is_due(self, link: Link) -> bool:
        """A list of drivers is for registered stations alone."""
        if link.policy.registration != "Accepted" or not self._registered(link.station_id):
            return False
        known = self._known.get(link.station_id)
        return known is None or known.version != self.version or known.step is Step.UNANSWERED

    async def _work(self, due: Iterator[Link]) -> None:
        for link in due:
            version = self.version
            step = await self._bring(link, version)
            self._known[link.station_id] = _Known(link, version, step)
            if step is Step.REFUSED:
                logger.warning("station %r does not take its local list", link.station_id)
            await asyncio.sleep(_PAUSE_S)

    async def _bring(self, link: Link, version: int) -> Step:
        """The station to the newest version; once more from nothing if it does not get there."""
        held = await self._held(link)
        if held == version:
            return Step.IN_STEP
        if isinstance(held, Step):
            return held
        asked = await self._call(link, *local_list.question(link.protocol))
        room = local_list.room_of(asked.answer or {})
        if room is None:
            return Step.WITHOUT
        for start in (held, local_list.EMPTY):
            for message in local_list.messages(link.protocol, self._listed, start, room):
                result = await self._call(link, "SendLocalList", message)
                if (result.answer or {}).get("status") == "NotSupported":
                    return Step.WITHOUT
                if result.status is not CommandStatus.ACCEPTED:
                    break  # VersionMismatch, Failed, or silence: what it holds now says more
            now_held = await self._held(link)
            if now_held == version:
                return Step.IN_STEP
            if now_held is Step.UNANSWERED:
                return Step.UNANSWERED
        return Step.REFUSED

    async def _held(self, link: Link) -> int | Step:
        result = await self._call(link, "GetLocalListVersion", {})
        if result.status is CommandStatus.CALLERROR:
            return Step.WITHOUT
        if result.answer is None:
            return Step.UNANSWERED
        held = local_list.held_version(result.answer)
        return Step.WITHOUT if held is None else held

    async def _call(self, link: Link, action: str, payload: dict[str, Any]) -> CommandResult:
        return await self._calls.send(link.station_id, action, payload, actor=_ACTOR)
