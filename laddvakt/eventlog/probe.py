"""A look at the event log from outside: changes nothing, waits briefly, never tells the password."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import ConsumerInfo
from nats.js.errors import APIError
from nats.js.errors import NotFoundError as NatsNotFoundError

from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog.address import nats_url
from laddvakt.eventlog.client import STREAM
from laddvakt.settings import Settings

PATIENCE_S = 3.0


class Reader(NamedTuple):
    """One reader of one partition. `oldest` is when the first record that it has not applied was logged."""

    service: str
    waiting: int
    oldest: datetime | None


class LogState(NamedTuple):
    """What the server says. Without a stream (`made` is false) no service has ever used this log."""

    version: str
    max_payload: int
    made: bool
    bytes: int
    max_bytes: int
    partitions: str
    server_time: datetime | None
    readers: tuple[Reader, ...]


class _Config(msgspec.Struct):
    max_bytes: int = -1
    metadata: dict[str, str] = {}


class _State(msgspec.Struct):
    bytes: int = 0


class _Error(msgspec.Struct):
    code: int = 0
    description: str = ""


class _Info(msgspec.Struct):
    config: _Config = msgspec.field(default_factory=_Config)
    state: _State = msgspec.field(default_factory=_State)
    ts: datetime | None = None
    error: _Error | None = None


async def probe(settings: Settings) -> LogState:
    """Raises EventLogError where no embedded server was started, or the server does not answer as a log."""
    url = nats_url(settings)
    place = urlsplit(url).netloc.rpartition("@")[2]

    client, reasons = Client(), list[Exception]()

    async def note(error: Exception) -> None:
        reasons.append(error)

    try:
        async with asyncio.timeout(PATIENCE_S):
            await client.connect(
                url,
                name="laddvakt-doctor",
                allow_reconnect=False,
                reconnect_time_wait=0,
                max_reconnect_attempts=1,
                error_cb=note,
            )
    except (NatsError, OSError, TimeoutError, ValueError) as error:
        with contextlib.suppress(AssertionError):  # the library's word for a client that never came to connect
            await client.close()
        raise EventLogError(f"no event log answers at {place}: {_said([*reasons, error][0])}.") from error
    try:
        return await _examine(client)
    except NoRespondersError as error:
        raise EventLogError(
            f"the NATS server at {place} keeps no streams.", mend="Start it with JetStream (`nats-server -js`)."
        ) from error
    except (NatsError, APIError, OSError, TimeoutError, msgspec.MsgspecError) as error:
        raise EventLogError(f"the event log at {place} does not answer: {_said(error)}.") from error
    finally:
        await client.close()


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__).removeprefix("nats: ").rstrip(".")


async def _examine(client: Client) -> LogState:
    answer = await client.request(f"$JS.API.STREAM.INFO.{STREAM}", timeout=PATIENCE_S)
    info = msgspec.json.decode(answer.data, type=_Info)
    if info.error is not None and info.error.code != 404:
        raise EventLogError(f"the event log refused to tell its state: {info.error.description}.")
    made = info.error is None
    return LogState(
        version=str(client.connected_server_version).strip("<>").rpartition(" v")[2],
        max_payload=client.max_payload,
        made=made,
        bytes=info.state.bytes,
        max_bytes=info.config.max_bytes,
        partitions=info.config.metadata.get("partitions", ""),
        server_time=info.ts,
        readers=await _readers(client) if made else (),
    )


async def _readers(client: Client) -> tuple[Reader, ...]:
    consumers = await client.jetstream(timeout=PATIENCE_S).consumers_info(STREAM)
    return tuple(await asyncio.gather(*(_reader(client, consumer) for consumer in consumers)))


async def _reader(client: Client, consumer: ConsumerInfo) -> Reader:
    waiting = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
    service = consumer.name.rpartition("-")[0] or consumer.name
    return Reader(service, waiting, await _oldest(client, consumer) if waiting else None)


async def _oldest(client: Client, consumer: ConsumerInfo) -> datetime | None:
    applied = consumer.ack_floor.stream_seq if consumer.ack_floor else 0
    subject = consumer.config.filter_subject or "log.*"
    try:
        message = await client.jetstream(timeout=PATIENCE_S).get_msg(STREAM, applied + 1, subject, next=True)
    except NatsNotFoundError:  # applied or trimmed meanwhile
        return None
    return message.time
