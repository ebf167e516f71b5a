"""A live feed, and a way for commands, that may come later: pages and API start, and show what the records hold,
while the event log is still away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from dashboard.context import Commands, Feed, Handler, Reprocessing
from laddvakt.domain.commands import CommandRequest, CommandResult
from laddvakt.domain.errors import EventLogError
from laddvakt.domain.quarantine import ReprocessReply, ReprocessRequest

logger = logging.getLogger(__name__)

RETRY_S = 1.0

Unsubscribe = Callable[[], Awaitable[None] | None]


class LateFeed:
    """Stands for the feed that `keep_connecting` finds. Handlers that came before it are subscribed then, and the
    reconnect callbacks are called: what was said in between is lost, so re-read."""

    def __init__(self) -> None:
        self._feed: Feed | None = None
        self._handlers: dict[Handler, Unsubscribe | None] = {}
        self._callbacks: list[Callable[[], None]] = []

    @property
    def connected(self) -> bool:
        return self._feed is not None and self._feed.connected

    async def publish(self, kind: str, data: bytes) -> None:
        """Lost while there is no feed: whoever comes later reads the records."""
        if self._feed is not None:
            await self._feed.publish(kind, data)

    async def subscribe(self, handler: Handler) -> Unsubscribe:
        self._handlers[handler] = None
        if self._feed is not None:
            self._handlers[handler] = await self._feed.subscribe(handler)

        async def unsubscribe() -> None:
            stop = self._handlers.pop(handler, None)
            waiting = stop() if stop is not None else None
            if waiting is not None:
                await waiting

        return unsubscribe

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)
        if self._feed is not None:
            self._feed.on_reconnect(callback)

    async def keep_connecting(self, connect: Callable[[], Awaitable[Feed]]) -> None:
        """Until `connect` gives a feed; from then on that one reconnects by itself."""
        told = False
        while self._feed is None:
            try:
                feed = await connect()
            except EventLogError as error:
                logger.log(logging.DEBUG if told else logging.WARNING, "no live feed yet: %s", error)
                told = True
                await asyncio.sleep(RETRY_S)
                continue
            for handler in [handler for handler, stop in self._handlers.items() if stop is None]:
                self._handlers[handler] = await feed.subscribe(handler)
            self._feed = feed
            for callback in self._callbacks:
                feed.on_reconnect(callback)
                callback()


class LateReprocessing:
    """Stands for the way to a collector that reads messages again, like `LateCommands`."""

    def __init__(self) -> None:
        self.way: Reprocessing | None = None

    async def ask(self, request: ReprocessRequest) -> ReprocessReply:
        if self.way is None:
            raise EventLogError("the event log cannot be reached now.", mend="Try again soon.")
        return await self.way.ask(request)


class LateCommands:
    """Stands for the way of commands; `way` is set once the event log is there."""

    def __init__(self) -> None:
        self.way: Commands | None = None

    async def ask(self, request: CommandRequest) -> CommandResult:
        if self.way is None:
            raise EventLogError("the event log cannot be reached now, so no station can.", mend="Try again soon.")
        return await self.way.ask(request)
