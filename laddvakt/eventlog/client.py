"""One service's door to the event log and the live feed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, NotFoundError

from laddvakt.domain.entries import Entry, decode_batch
from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog.address import nats_url
from laddvakt.eventlog.appender import Appender
from laddvakt.eventlog.commands import CommandLine
from laddvakt.eventlog.consumer import Consumer, Record
from laddvakt.eventlog.feed import Feed
from laddvakt.eventlog.holders import Holders
from laddvakt.eventlog.reprocessing import ReprocessLine
from laddvakt.eventlog.tasks import or_cancelled
from laddvakt.settings import Settings

__all__ = ["EventLog", "Feed", "Record"]

logger = logging.getLogger(__name__)

STREAM = "LOG"
_CONNECT_TIMEOUT_S = 30.0


class _Client(Client):
    """One whose requests lose no cancellation: a loop that asks now and then would go on for ever."""

    async def request(self, *args: Any, **more: Any) -> Msg:
        return await or_cancelled(super().request(*args, **more))


class EventLog:
    """Reconnects for ever by itself. Made by `connect`."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._jetstream: JetStreamContext = client.jetstream()
        self._appender: Appender | None = None
        self._closing = False
        self._trouble = ""  # what the connection last complained of
        self.feed = Feed(client)
        self.commands = CommandLine(client)
        self.holders = Holders(client)
        self.reprocessing = ReprocessLine(client)

    @classmethod
    async def connect(cls, settings: Settings, *, name: str) -> EventLog:
        """Raises EventLogError when the log does not answer within 30 s."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CONNECT_TIMEOUT_S
        while True:
            log = cls(settings, _Client())
            try:
                async with asyncio.timeout_at(deadline):
                    await log._open(name)
                return log
            except (NatsError, APIError, OSError, TimeoutError) as error:
                await log.close()
                if loop.time() > deadline:
                    raise EventLogError(
                        f"the event log does not answer: {log._trouble or error or type(error).__name__}.",
                        mend="Is it running? See eventlog.url and `laddvakt doctor`.",
                    ) from error
                await asyncio.sleep(0.2)
            except BaseException:
                await log.close()
                raise

    async def _open(self, name: str) -> None:
        async def on_reconnect() -> None:
            logger.info("reconnected to the event log")
            self.feed.reconnected()

        async def on_disconnect() -> None:
            if not self._closing:
                logger.warning("lost the event log; reconnecting")

        async def on_error(error: Exception) -> None:
            self._trouble = str(error) or type(error).__name__
            logger.debug("event log: %s", self._trouble)

        await self._client.connect(
            nats_url(self._settings),
            name=f"laddvakt-{name}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,  # type: ignore[arg-type]  # the library waits any number of seconds
            connect_timeout=2,
            ping_interval=10,
            max_outstanding_pings=2,
            allow_reconnect=True,
            error_cb=on_error,
            disconnected_cb=on_disconnect,
            reconnected_cb=on_reconnect,
            pending_size=16 * 1024 * 1024,
        )
        await self._ensure_stream()

    async def _ensure_stream(self) -> None:
        wanted = StreamConfig(
            name=STREAM,
            subjects=["log.*"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,  # full: stations wait, nothing is overwritten
            max_age=self._settings.eventlog.max_age_days * 86400,
            max_bytes=self._settings.eventlog.max_bytes,
            duplicate_window=120,
            num_replicas=self._settings.eventlog.replicas,
            metadata={"partitions": str(self._settings.eventlog.partitions)},
        )
        try:
            info = await self._jetstream.stream_info(STREAM)
        except NotFoundError:
            await self._jetstream.add_stream(wanted)
            return
        made_with = (info.config.metadata or {}).get("partitions", "")
        if made_with and made_with != str(self._settings.eventlog.partitions):
            raise EventLogError(
                f"the log was made with {made_with} partitions, not {self._settings.eventlog.partitions}.",
                mend=f"Set eventlog.partitions = {made_with}; it is fixed once the log exists.",
            )
        if (info.config.max_age, info.config.max_bytes) != (wanted.max_age, wanted.max_bytes):
            await self._jetstream.update_stream(wanted)

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected)

    @property
    def appender(self) -> Appender:
        if self._appender is None:
            self._appender = Appender(
                self._jetstream,
                stream=STREAM,
                partitions=self._settings.eventlog.partitions,
                max_payload=self._client.max_payload,
            )
        return self._appender

    async def consume(self, *, consumer: str, positions: dict[int, int]) -> AsyncGenerator[list[Record], None]:
        """Log records after `positions` (partition -> last applied sequence), for ever. After a crash some come
        again: whoever applies them compares `sequence` with its stored position. Use it with `aclosing`."""
        reader = Consumer(
            self._client,
            self._jetstream,
            stream=STREAM,
            name=consumer,
            partitions=self._settings.eventlog.partitions,
        )
        async with contextlib.aclosing(reader.records(positions)) as groups:
            async for records in groups:
                yield records

    async def done(self, records: list[Record]) -> None:
        """After your transaction committed: lets the log know how far you are."""
        last = {record.partition: record.ack for record in records}
        for ack in last.values():
            with contextlib.suppress(NatsError):  # losing this is harmless: the reader's own position decides
                await self._client.publish(ack, b"+ACK")

    async def last_sequence(self) -> int:
        """The position of the newest log record."""
        info = await self._jetstream.stream_info(STREAM)
        return int(info.state.last_seq)

    async def history(self, since: datetime | None = None) -> AsyncGenerator[Entry, None]:
        """The entries that the log holds now, in the order of the log, leaving no trace; then it ends. Log records
        that cannot be decoded are logged and left out."""
        end = await self.last_sequence()
        if not end:
            return
        start = (
            ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
            if since is None
            else ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since)
        )
        subscription = await self._jetstream.subscribe("log.*", ordered_consumer=True, config=start)
        try:
            while True:
                info = await subscription.consumer_info() if not subscription.pending_msgs else None
                if info is not None and not info.num_pending and not subscription.pending_msgs:
                    return
                message = await subscription.next_msg(timeout=30)
                try:
                    for entry in decode_batch(message.data):
                        yield entry
                except msgspec.MsgspecError as error:
                    logger.error("log record %d is damaged: %s", message.metadata.sequence.stream, error)
                if message.metadata.sequence.stream >= end:
                    return
        finally:
            await subscription.unsubscribe()

    async def trim(self) -> int:
        """Near the size bound, forgets the oldest records that every consumer has applied. Returns the new first
        sequence. What somebody still has to read is never dropped: then stations wait instead. Raises
        EventLogError when the log does not answer."""
        try:
            return await self._trim()
        except (NatsError, APIError, OSError, TimeoutError) as error:
            raise EventLogError(f"the event log does not answer: {error or type(error).__name__}.") from error

    async def _trim(self) -> int:
        info = await self._jetstream.stream_info(STREAM)
        state = info.state
        limit = self._settings.eventlog.max_bytes
        if state.bytes < limit * 0.8 or not state.messages:
            return int(state.first_seq)
        consumers = await self._jetstream.consumers_info(STREAM)
        applied = min((_applied(consumer, state.last_seq) for consumer in consumers), default=0)
        surplus = int(state.messages * (1 - 0.6 * limit / state.bytes))
        keep_from = max(min(applied, state.first_seq + surplus), state.first_seq)
        if keep_from > state.first_seq:
            await self._jetstream.purge_stream(STREAM, seq=keep_from)
            logger.info("trimmed the event log to %d", keep_from)
        return int(keep_from)

    async def close(self) -> None:
        self._closing = True
        if self._appender is not None:
            await self._appender.close()
        with contextlib.suppress(AssertionError):  # the library's word for a client that never came to connect
            await self._client.close()


def _applied(consumer: ConsumerInfo, last_sequence: int) -> int:
    """Up to where a consumer needs nothing any more. One that waits for nothing has applied everything."""
    if not consumer.num_pending and not consumer.num_ack_pending:
        return last_sequence
    return consumer.ack_floor.stream_seq if consumer.ack_floor else 0
