"""Asking a collector to read a message again, over core NATS: whichever is free takes it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from laddvakt.domain.errors import EventLogError
from laddvakt.domain.quarantine import ReprocessReply, ReprocessRequest

logger = logging.getLogger(__name__)

_SUBJECT = "reprocess"
_WITHIN_S = 10.0

_request = msgspec.msgpack.Decoder(ReprocessRequest).decode
_reply = msgspec.msgpack.Decoder(ReprocessReply).decode
_encode = msgspec.msgpack.Encoder().encode

Handle = Callable[[ReprocessRequest], Awaitable[ReprocessReply]]


class ReprocessLine:
    """Both ends of the way. `ask` is for pages and command line, `serve` for collectors."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, request: ReprocessRequest) -> ReprocessReply:
        """Returns when the log has it. Raises EventLogError when no collector does it."""
        try:
            answer = await self._client.request(_SUBJECT, _encode(request), timeout=_WITHIN_S)
        except NoRespondersError as error:
            raise EventLogError("no collector is running.", mend="Start `laddvakt collector`.") from error
        except (NatsError, OSError, TimeoutError) as error:
            raise EventLogError(
                f"no collector has read the message again: {error or type(error).__name__}.",
                mend="Is the event log running? See `laddvakt doctor`.",
            ) from error
        return _reply(answer.data)

    async def serve(self, handle: Handle) -> Callable[[], Awaitable[None]]:
        """Returns how to stop."""

        async def receive(message: Msg) -> None:
            try:
                request = _request(message.data)
            except msgspec.MsgspecError as error:
                logger.warning("a request to read a message again cannot be read: %s", error)
                return
            try:
                await self._client.publish(message.reply, _encode(await handle(request)))
            except NatsError as error:  # whoever asked hears nothing, and says so
                logger.warning("the reading of %s was not told: %s", request.item_id, error)

        subscription = await self._client.subscribe(_SUBJECT, queue="collectors", cb=receive)

        async def stop() -> None:
            if not self._client.is_closed:
                await subscription.unsubscribe()

        return stop
