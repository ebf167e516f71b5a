"""Commands to stations over core NATS: asked of all collectors, taken by the one that holds the station.

Whoever asks waits on an inbox of its own: first for a collector that says it has the station, then for what became
of the command. Nobody within a second means that the station is not connected.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from laddvakt.domain.commands import CommandReply, CommandRequest, CommandResult, CommandStatus
from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

_SUBJECT = "command"
_TAKEN_WITHIN_S = 1.0
_SLACK_S = 2.0  # for the log and the way back, beyond the station's own time

_request = msgspec.json.Decoder(CommandRequest).decode
_reply = msgspec.json.Decoder(CommandReply).decode
_encode = msgspec.json.Encoder().encode


class Holder(Protocol):
    """A collector, as commands see it."""

    def holds(self, station_id: str) -> bool: ...
    def timeout_of(self, request: CommandRequest) -> float: ...  # seconds until `handle` returns at the latest
    async def handle(self, request: CommandRequest) -> CommandResult: ...


class CommandLine:
    """Both ends of the way. `ask` is for whoever wants something of a station, `serve` for collectors."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, request: CommandRequest) -> CommandResult:
        """What became of the command. Raises EventLogError when the way itself is broken."""
        try:
            data = _encode(request)
        except (ValueError, OverflowError, TypeError, RecursionError) as error:
            return _result(request, CommandStatus.INVALID, f"payload: {error}")
        if len(data) > self._client.max_payload:
            return _result(request, CommandStatus.INVALID, f"payload: {len(data)} bytes are too many")
        inbox = self._client.new_inbox()
        try:
            replies = await self._client.subscribe(inbox)
            try:
                await self._client.publish(_SUBJECT, data, reply=inbox)
                return await _outcome(request, replies)
            finally:
                await replies.unsubscribe()
        except (NatsError, OSError) as error:
            raise EventLogError(
                f"the way to the collectors is broken: {error or type(error).__name__}.",
                mend="Is the event log running? See `laddvakt doctor`.",
            ) from error

    async def serve(self, holder: Holder) -> Callable[[], Awaitable[None]]:
        """Takes the commands for stations that `holder` holds. Returns how to stop."""
        tasks: set[asyncio.Task[None]] = set()

        async def receive(message: Msg) -> None:
            try:
                request = _request(message.data)
            except (msgspec.MsgspecError, RecursionError) as error:
                logger.warning("a command request cannot be read: %s", error)
                return
            if holder.holds(request.station_id):
                task = asyncio.create_task(self._take(holder, request, message.reply))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        subscription = await self._client.subscribe(_SUBJECT, cb=receive)

        async def stop() -> None:
            if not self._client.is_closed:
                await subscription.unsubscribe()
            await cancel_and_wait(tasks)

        return stop

    async def _take(self, holder: Holder, request: CommandRequest, inbox: str) -> None:
        try:
            await self._client.publish(inbox, _encode(CommandReply(timeout_s=holder.timeout_of(request))))
            await self._client.publish(inbox, _encode(CommandReply(result=await holder.handle(request))))
        except NatsError as error:  # whoever asked hears nothing, and says so
            logger.warning("the result of %s for %s was not told: %s", request.action, request.station_id, error)


async def _outcome(request: CommandRequest, replies: Subscription) -> CommandResult:
    """The first real answer. A station may be held twice for a moment, by a connection that is dead and does not
    know it yet: that one's failure waits for the other."""
    loop = asyncio.get_running_loop()
    deadline, holders = loop.time() + _TAKEN_WITHIN_S, 0
    result = _result(request, CommandStatus.NOT_CONNECTED, "no collector holds the station")
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                message = await replies.next_msg(timeout=None)
        except TimeoutError:
            if holders and result.status is CommandStatus.NOT_CONNECTED:
                return _result(request, CommandStatus.TIMEOUT, "the collector did not say what became of it")
            return result
        if (message.headers or {}).get("Status") == "503":
            return _result(request, CommandStatus.NOT_CONNECTED, "no collector is running")
        reply = _reply(message.data)
        if reply.result is None:
            holders += 1
            deadline = max(deadline, loop.time() + (reply.timeout_s or 0.0) + _SLACK_S)
            continue
        result, holders = reply.result, holders - 1
        if not holders or result.status in _ANSWERED:
            return result


_ANSWERED = (CommandStatus.ACCEPTED, CommandStatus.REJECTED, CommandStatus.CALLERROR)


def _result(request: CommandRequest, status: CommandStatus, detail: str) -> CommandResult:
    return CommandResult(
        command_id=request.command_id,
        station_id=request.station_id,
        action=request.action,
        status=status,
        detail=detail,
    )
