"""Reading the log: one durable pull consumer per partition, from the position that the reader's store holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator
from enum import Enum, auto
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
_PULL_BYTES = 4 * 1024 * 1024  # the server drops a client that it owes 64 MiB
_PULL_EXPIRES_S = 30
_HEARTBEAT_S = 2
_SILENCE_S = 2 * _HEARTBEAT_S + 1  # the server forgot the request, or we did not hear what it said
_QUEUE = 256
_GROUP = 4096  # entries in one group, about


class Record(NamedTuple):
    """One log record: entries of one partition, in order. `sequence` is its position in the log."""

    partition: int
    sequence: int
    entries: tuple[Entry, ...]
    ack: str


class Said(Enum):
    """What a message that answers a pull request is."""

    RECORD = auto()
    HEARTBEAT = auto()  # nothing new, but the request stands
    ENOUGH_BYTES = auto()  # the request ends: the next record is beyond its bytes
    EXPIRED = auto()  # the request ends: its time is over
    AMISS = auto()  # the consumer is gone, the server is leaving, or something was lost on the way


def _said(message: Msg) -> Said:
    """NATS ADR-13: a status, and no data, is not a record."""
    headers = message.headers or {}
    status = headers.get("Status")
    if status is None or message.data:
        return Said.RECORD
    if status == "100":
        return Said.HEARTBEAT
    if status in ("404", "408"):
        return Said.EXPIRED
    if status == "409" and "MaxBytes" in headers.get("Description", ""):
        return Said.ENOUGH_BYTES
    return Said.AMISS


def _missed(message: Msg, outstanding: int, delivered: int) -> bool:
    """Whether the server believes that we have more than we do: it was lost with a broken link."""
    headers = message.headers or {}
    last = int(headers.get("Nats-Last-Consumer", delivered))
    return last > delivered or int(headers.get("Nats-Pending-Messages", outstanding)) < outstanding


def _request(batch: int) -> bytes:
    second = 1_000_000_000
    asked = {"batch": batch, "expires": _PULL_EXPIRES_S * second, "idle_heartbeat": _HEARTBEAT_S * second}
    return json.dumps(asked if batch == 1 else asked | {"max_bytes": _PULL_BYTES}).encode()


class Consumer:
    """Bounded: at most 256 log records wait in memory, and what one request of each partition brings; the rest
    waits in the log."""

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
        """Everything after `positions`, for ever, in as large groups as are waiting. Close it (`aclosing`): it
        reads in tasks of its own."""
        tasks = [
            asyncio.create_task(self._pull_loop(partition, positions.get(partition, 0)))
            for partition in range(self._partitions)
        ]
        try:
            while True:
                group = [await self._next(tasks)]
                entries = len(group[0].entries)
                while len(group) < _PULL and entries < _GROUP and not self._queue.empty():
                    group.append(self._queue.get_nowait())
                    entries += len(group[-1].entries)
                yield group
        finally:
            await cancel_and_wait(tasks)

    async def _next(self, tasks: list[asyncio.Task[None]]) -> Record:
        getter = asyncio.create_task(self._queue.get())
        try:
            done, _ = await asyncio.wait([getter, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if getter in done:
                return getter.result()
        finally:
            if not getter.done():
                await cancel_and_wait([getter])
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
        """Reads until something is amiss; returns behind which record to make the consumer anew."""
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{durable}"
        asked, outstanding, delivered = _PULL, 0, 0
        while True:
            if not outstanding:
                await self._client.publish(subject, _request(asked), reply=inbox)
                outstanding = asked
            try:
                async with asyncio.timeout(_SILENCE_S):
                    message = await messages.get()
            except TimeoutError:
                return position
            said = _said(message)
            if said is not Said.RECORD and _missed(message, outstanding, delivered):
                said = Said.AMISS
            match said:
                case Said.RECORD:
                    outstanding -= 1
                case Said.HEARTBEAT:
                    continue
                case Said.ENOUGH_BYTES:
                    # Where not even one fitted, that one is asked for alone, whatever its size.
                    asked, outstanding = (1 if outstanding == asked else _PULL), 0
                    continue
                case Said.EXPIRED:
                    outstanding = 0
                    continue
                case Said.AMISS:
                    return position
            asked = _PULL
            delivered += 1
            if message.metadata.sequence.consumer != delivered:
                return position  # one before it was lost with a broken link
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
