"""Publishing entries: group commit, so that one fsync serves everybody who waits.

While one log record of a partition is on its way, entries gather for the next; each waiter is released when the
record that carries its entry is durable. A full or unreachable log makes them wait (back-pressure): nothing is
dropped here. Memory is bounded by who waits: one frame per station, and the broker's in-flight window for MQTT.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError

from laddvakt.domain.entries import Entry, encode_entry, join_entries
from laddvakt.domain.errors import EventLogError
from laddvakt.domain.ids import partition_of
from laddvakt.eventlog.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

MAX_BATCH = 512
_HEADROOM_BYTES = 1024  # for the list around the entries, and the headers
_CLOSE_S = 5.0
_BACK_OFF_S = (0.02, 0.1, 0.3, 1.0)


class _Batch:
    __slots__ = ("entries", "size", "then", "waiters")

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.size = 0
        self.then: list[Callable[[], object]] = []
        self.waiters: list[asyncio.Future[None]] = []

    def release(self) -> None:
        """It is durable."""
        for then in self.then:
            try:
                then()
            except Exception:  # one caller's fault must not keep the others waiting
                logger.exception("after an entry became durable")
        for waiter in self.waiters:
            if not waiter.done():  # some stop waiting
                waiter.set_result(None)


class Appender:
    """`await append(entry)` returns when the entry is durable; `submit` calls back then, at less cost."""

    def __init__(self, jetstream: JetStreamContext, *, stream: str, partitions: int, max_payload: int) -> None:
        self._jetstream = jetstream
        self._stream = stream
        self._max_payload = max_payload
        self._loop = asyncio.get_running_loop()
        self._open: list[list[_Batch]] = [[] for _ in range(partitions)]
        self._wake = [asyncio.Event() for _ in range(partitions)]
        self._leaving: list[_Batch | None] = [None] * partitions
        self._partition_cache: dict[str, int] = {}
        self._tasks = [asyncio.create_task(self._publish_loop(index)) for index in range(partitions)]
        self.stalled = False  # the log is full or unreachable; stations wait
        self.durable_entries = 0

    def append(self, entry: Entry) -> asyncio.Future[None]:
        """Adds an entry in order behind those of its station. The future is done when it is durable, and fails
        with EventLogError at once when this entry can never be."""
        durable: asyncio.Future[None] = self._loop.create_future()
        try:
            self._gather(entry).waiters.append(durable)
        except EventLogError as error:
            durable.set_exception(error)
        return durable

    def submit(self, entry: Entry, then: Callable[[], object] | None = None) -> None:
        """Adds an entry in order behind those of its station; `then` is called when it is durable, and never if
        we are closed before. Raises EventLogError when this entry can never be."""
        batch = self._gather(entry)
        if then is not None:
            batch.then.append(then)

    def _gather(self, entry: Entry) -> _Batch:
        """The batch that the entry leaves with."""
        try:
            data = encode_entry(entry)
        except (ValueError, OverflowError, TypeError) as error:
            raise EventLogError(f"a message of {entry.station_id} cannot be logged: {error}.") from error
        if len(data) > self._max_payload - _HEADROOM_BYTES:
            raise EventLogError(
                f"a message of {entry.station_id} is too large for the event log ({len(data)} bytes).",
                mend="Raise max_payload of the NATS server, or lower ocpp.max_frame_bytes.",
            )
        partition = self._partition(entry.station_id)
        batches = self._open[partition]
        if not batches or not self._fits(batches[-1], data):
            batches.append(_Batch())
            self._wake[partition].set()
        batch = batches[-1]
        batch.entries.append(data)
        batch.size += len(data)
        return batch

    def _fits(self, batch: _Batch, data: bytes) -> bool:
        return len(batch.entries) < MAX_BATCH and batch.size + len(data) <= self._max_payload - _HEADROOM_BYTES

    def _partition(self, station_id: str) -> int:
        known = self._partition_cache.get(station_id)
        if known is None:
            if len(self._partition_cache) > 200_000:
                self._partition_cache.clear()
            known = partition_of(station_id, len(self._open))
            self._partition_cache[station_id] = known
        return known

    async def _publish_loop(self, partition: int) -> None:
        batches, wake = self._open[partition], self._wake[partition]
        while True:
            await wake.wait()
            wake.clear()
            while batches:
                batch = self._leaving[partition] = batches.pop(0)
                await self._publish(partition, join_entries(batch.entries))
                self._leaving[partition] = None
                self.durable_entries += len(batch.entries)
                batch.release()

    async def _publish(self, partition: int, data: bytes) -> None:
        # The id lets the server drop our own retry of a publish whose acknowledgement was lost.
        headers = {"Nats-Msg-Id": uuid.uuid4().hex}
        attempt = 0
        while True:
            try:
                await self._jetstream.publish(
                    f"log.{partition}", data, timeout=5.0, stream=self._stream, headers=headers
                )
            except (NatsError, APIError, OSError, TimeoutError) as error:
                if not self.stalled:
                    logger.warning(
                        "the event log takes nothing (%s); stations wait", error or type(error).__name__
                    )
                self.stalled = True
                await asyncio.sleep(_BACK_OFF_S[min(attempt, len(_BACK_OFF_S) - 1)])
                attempt += 1
                continue
            if self.stalled:
                logger.info("the event log takes entries again")
            self.stalled = False
            return

    async def close(self) -> None:
        """Lets what is gathered become durable for up to 5 s, then stops; the rest was never acknowledged."""
        gathered = [batch for batches in self._open for batch in batches]
        left = [batch for batch in (*self._leaving, *gathered) if batch is not None]
        durable = [self._loop.create_future() for _ in left]
        for batch, future in zip(left, durable, strict=True):
            batch.waiters.append(future)
        if durable:
            await asyncio.wait(durable, timeout=_CLOSE_S)
        await cancel_and_wait(self._tasks)
        for batch in left:
            for waiter in batch.waiters:
                waiter.cancel()
