"""Which collector holds which station, over core NATS: the newest connection is told to the other collectors, and
all of them are asked before a station is believed to be gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Protocol

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from laddvakt.domain.errors import EventLogError

logger = logging.getLogger(__name__)

_TAKEN = "collectors.taken"
_WHOSE = "collectors.whose"
_AT_ONCE = 1000  # station ids in one question
_ANSWERS_WITHIN_S = 3.0


class _Taken(msgspec.Struct, frozen=True, array_like=True):
    by: str
    station_id: str
    since: datetime


_taken = msgspec.json.Decoder(_Taken).decode
_names = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


class Holder(Protocol):
    """A collector, as the others see it."""

    def holds(self, station_id: str) -> bool: ...
    def taken(self, station_id: str, since: datetime) -> None: ...  # by another collector


class Holders:
    """`tell` and `held` of one collector, `serve` for what the others tell and ask. Messages may be lost with the
    connection to NATS: then a dead socket stays until its pings fail, which harms nobody."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._me = uuid.uuid4().hex

    async def tell(self, station_id: str, since: datetime) -> None:
        """A station has come here. Never raises and never waits for a broken link."""
        if self._client.is_connected:
            with contextlib.suppress(NatsError):
                await self._client.publish(_TAKEN, _encode(_Taken(self._me, station_id, since)))

    async def held(self, station_ids: Iterable[str]) -> set[str]:
        """Those of the stations that some collector says it holds, this one included. Raises EventLogError when
        nobody can be asked."""
        found: set[str] = set()
        rest = iter(station_ids)
        try:
            while few := list(islice(rest, _AT_ONCE)):
                found |= await self._ask(few)
        except (NatsError, OSError) as error:
            raise EventLogError(f"the collectors cannot be asked: {error or type(error).__name__}.") from error
        return found

    async def _ask(self, station_ids: list[str]) -> set[str]:
        found: set[str] = set()
        inbox = self._client.new_inbox()
        answers = await self._client.subscribe(inbox)
        try:
            await self._client.publish(_WHOSE, _encode(station_ids), reply=inbox)
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                while len(found) < len(station_ids):
                    found.update(_names((await answers.next_msg(timeout=None)).data))
        except TimeoutError:
            pass  # nobody says how many collectors there are
        finally:
            await answers.unsubscribe()
        return found

    async def serve(self, holder: Holder) -> Callable[[], Awaitable[None]]:
        """Returns how to stop."""

        async def on_taken(message: Msg) -> None:
            with _readable():
                taken = _taken(message.data)
                if taken.by != self._me:
                    holder.taken(taken.station_id, taken.since)

        async def on_whose(message: Msg) -> None:
            with _readable():
                ours = [station_id for station_id in _names(message.data) if holder.holds(station_id)]
                if ours:
                    await self._client.publish(message.reply, _encode(ours))

        subscriptions = [
            await self._client.subscribe(_TAKEN, cb=on_taken),
            await self._client.subscribe(_WHOSE, cb=on_whose),
        ]

        async def stop() -> None:
            for subscription in subscriptions:
                if not self._client.is_closed:
                    await subscription.unsubscribe()

        return stop


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, NatsError) as error:
        logger.warning("a collector's message cannot be used: %s", error)
