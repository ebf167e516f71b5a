"""Reading the log: one durable pull consumer per partition, from the position that the reader's store holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator
from typing import NamedTuple

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError

from laddvakt.domain.entries import Entry, decode_batch
from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

FORGET_READER_S = 7 * 86400.0
"""A reader that has been away for so long no longer keeps old records from being trimmed (only a full log is)."""

_PULL = 256
_PULL_EXPIRES_S = 30
_QUEUE = 1024


class Record(NamedTuple):
    """One log record: entries of one partition, in order. `sequence` is its position in the log."""

    partition: int
    sequence: int
    entries: tuple[Entry, ...]
    ack: str


class Consumer:
    """Bounded: at most 1024 log records wait in memory, the rest in the log."""

    def __init__(
        self, client: Client, jetstream: JetStreamContext, *, stream: str, name: str, partitions: int
    ) -> None:
        self._client = client
        self._jetstream = jetstream
        self._stream = stream
        self._name = name
        self._partitions = partitions
        self._queue: asyncio.Queue[Record] = asyncio.Queue(_QUEUE)
        self.damaged = 0  # log records that could not be decoded; skipped and logged

    async def records(self, positions: dict[int, int]) -> AsyncGenerator[list[Record], None]:
        """Everything after `positions`, for ever, in as large groups as are waiting."""
        tasks = [
            asyncio.create_task(self._pull_loop(partition, positions.get(partition, 0)))
            for partition in range(self._partitions)
        ]
        try:
            while True:
                group = [await self._next(tasks)]
                while len(group) < _PULL and not self._queue.empty():
                    group.append(self._queue.get_nowait())
                yield group
        finally:
            await cancel_and_wait(tasks)

    async def _next(self, tasks: list[asyncio.Task[None]]) -> Record:
        getter = asyncio.create_task(self._queue.get())
        done, _ = await asyncio.wait([getter, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if getter in done:
            return getter.result()
        getter.cancel()
        for task in done:
            task.result()  # raises what ended it
        raise EventLogError("the connection to the event log was closed.")

    async def _create(self, partition: int, position: int) -> str:
        """The durable consumer, started exactly behind our own position: the store decides, not the server."""
        durable = f"{self._name}-{partition}"
        while True:
            if self._client.is_closed:
                raise EventLogError("the connection to the event log was closed.")
            try:
                with contextlib.suppress(NotFoundError):
                    await self._jetstream.delete_consumer(self._stream, durable)
                await self._jetstream.add_consumer(
                    self._stream,
                    ConsumerConfig(
                        durable_name=durable,
                        filter_subject=f"log.{partition}",
                        ack_policy=AckPolicy.ALL,
                        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                        opt_start_seq=position + 1,
                        ack_wait=60,
                        max_ack_pending=_PULL * 8,
                        inactive_threshold=FORGET_READER_S,
                    ),
                )
                return durable
            except (NatsError, APIError, OSError, TimeoutError) as error:
                logger.warning("cannot open the log for %s yet: %s", durable, error or type(error).__name__)
                await asyncio.sleep(0.5)

    async def _pull_loop(self, partition: int, position: int) -> None:
        """Keeps one pull request outstanding; starts over behind the last record seen when the link breaks."""
        while not self._client.is_closed:
            durable = await self._create(partition, position)
            inbox = self._client.new_inbox()
            messages: asyncio.Queue[Msg] = asyncio.Queue()

            async def receive(message: Msg, into: asyncio.Queue[Msg] = messages) -> None:
                into.put_nowait(message)

            try:
                subscription = await self._client.subscribe(inbox, cb=receive, pending_msgs_limit=_PULL * 4)
                try:
                    position = await self._pull(partition, durable, inbox, messages, position)
                finally:
                    with contextlib.suppress(NatsError):  # it must not hide why we leave
                        await subscription.unsubscribe()
            except (NatsError, OSError) as error:
                logger.warning("reading the log stopped (%s); again soon", error or type(error).__name__)
                await asyncio.sleep(0.2)

    async def _pull(
        self, partition: int, durable: str, inbox: str, messages: asyncio.Queue[Msg], position: int
    ) -> int:
        request = json.dumps({"batch": _PULL, "expires": _PULL_EXPIRES_S * 1_000_000_000}).encode()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{durable}"
        outstanding = 0
        while True:
            if outstanding < _PULL // 2:
                await self._client.publish(subject, request, reply=inbox)
                outstanding += _PULL
            try:
                async with asyncio.timeout(_PULL_EXPIRES_S + 5):
                    message = await messages.get()
            except TimeoutError:
                return position  # the server forgot the request (restart): make the consumer anew
            status = (message.headers or {}).get("Status")
            if status is not None and not message.data:
                if status in ("404", "408"):  # nothing within the time, or the rest of this request has expired
                    outstanding = 0
                    continue
                return position
            outstanding -= 1
            sequence = message.metadata.sequence.stream
            if sequence <= position:
                continue
            position = sequence
            try:
                entries = decode_batch(message.data)
            except msgspec.MsgspecError as error:
                self.damaged += 1
                logger.error(
                    "log record %d of partition %d is damaged and was skipped: %s", sequence, partition, error
                )
                continue
            await self._queue.put(Record(partition, sequence, entries, message.reply))
