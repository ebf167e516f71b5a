"""The live feed: core NATS, fire and forget. Whoever misses something re-reads the records."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

logger = logging.getLogger(__name__)

Handler = Callable[[str, bytes], None]
_PREFIX = "live."


class Feed:
    """`kind` is `station`, `session`, `ticket` or `pulse`; data is the msgspec JSON of the object."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reconnected: list[Callable[[], None]] = []

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Called after each reconnect: what was said in between is lost, so re-read."""
        self._reconnected.append(callback)

    def reconnected(self) -> None:
        for callback in self._reconnected:
            callback()

    async def publish(self, kind: str, data: bytes) -> None:
        """Never raises and never waits for a broken link: the feed may lose, the records do not."""
        if not self._client.is_connected:
            return
        try:
            await self._client.publish(_PREFIX + kind, data)
        except NatsError as error:
            logger.debug("live %s not published: %s", kind, error)

    async def subscribe(self, handler: Handler) -> Callable[[], Awaitable[None]]:
        """All kinds, in order, on the event loop. Returns how to stop."""

        async def receive(message: Msg) -> None:
            handler(message.subject.removeprefix(_PREFIX), message.data)

        subscription = await self._client.subscribe(_PREFIX + ">", cb=receive)
        return subscription.unsubscribe
