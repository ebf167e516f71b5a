"""Reading the log over links that break, past large records and after a restart of the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.eventlog import consumer as consumer_module
from laddvakt.eventlog.address import USER
from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import EmbeddedServer
from laddvakt.settings import EventlogSettings, Settings, secret
from tests.support.eventlog import running_server, settings_for
from tests.support.stations import T0
from tests.support.waiting import eventually

ONE = EventlogSettings(partitions=1)


def entry(text: str) -> Entry:
    return Entry(station_id="S", kind=EntryKind.OCPP_IN, received_at=T0, raw=text)


async def fill(settings: Settings, sizes: list[int]) -> None:
    """One log record per entry; each begins with its number."""
    log = await EventLog.connect(settings, name="writer")
    for number, size in enumerate(sizes):
        await log.appender.append(entry(f"{number} ".ljust(size, "x")))
    await log.close()


async def read(log: EventLog, count: int) -> list[int]:
    """The numbers of the first `count` entries."""
    numbers: list[int] = []
    async with contextlib.aclosing(log.consume(consumer="t", positions={})) as reader:
        while len(numbers) < count:
            for record in await anext(reader):
                numbers += [int(item.raw.split(maxsplit=1)[0]) for item in record.entries]
    return numbers


@asynccontextmanager
async def broken_line(port: int, *, whole: int, lost: int) -> AsyncIterator[int]:
    """A port in front of the server's. The first connection delivers `whole` bytes, swallows `lost` more, which
    the server believes delivered, and breaks; later ones are sound."""
    first = True
    open_lines: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        seen = 0
        while data := await reader.read(4096):
            seen += len(data)
            if limit is None or seen <= limit:
                writer.write(data)
            elif seen > limit + lost:
                break

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        limit, first = (whole if first else None), False
        onward, back = await asyncio.open_connection("127.0.0.1", port)
        up, down = asyncio.create_task(copy(reader, back, None)), asyncio.create_task(copy(onward, writer, limit))
        open_lines.update({up, down})
        await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
        for task, end in ((up, back), (down, writer)):
            task.cancel()
            end.close()
            await end.wait_closed()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_nothing_is_missed_when_the_link_breaks_in_the_middle(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, eventlog=ONE)
    async with running_server(settings) as server:
        await fill(settings, [5_000] * 200)
        async with broken_line(server.ports.port, whole=300_000, lost=200_000) as port:
            url = f"nats://{USER}:{quote(secret(settings, 'eventlog', ''))}@127.0.0.1:{port}"
            there = settings_for(tmp_path, eventlog=EventlogSettings(partitions=1, url=url))
            log = await EventLog.connect(there, name="reader")
            numbers = await asyncio.wait_for(read(log, 200), 15)
            await log.close()
    assert numbers == list(range(200))


async def test_reading_goes_on_soon_after_the_server_was_restarted(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, eventlog=ONE)
    server = EmbeddedServer(settings)
    await server.start()
    log = await EventLog.connect(settings, name="reader")
    await log.appender.append(entry("0"))
    seen: list[int] = []

    async def keep_reading() -> None:
        async with contextlib.aclosing(log.consume(consumer="t", positions={})) as reader:
            async for records in reader:
                seen.extend(int(item.raw) for record in records for item in record.entries)

    reading = asyncio.create_task(keep_reading())
    await eventually(lambda: seen == [0])
    await server.stop()
    server = EmbeddedServer(settings)
    await server.start()
    await log.appender.append(entry("1"))
    await eventually(lambda: seen == [0, 1], deadline_s=15)
    reading.cancel()
    await asyncio.wait([reading])
    await log.close()
    await server.stop()


async def test_records_larger_than_what_is_asked_for_at_once_are_read_too(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, eventlog=ONE)
    async with running_server(settings):
        large = consumer_module._PULL_BYTES + 100_000
        sizes = [100, large, large, 100, 900_000, 900_000, 900_000, 900_000, 900_000, 900_000, large, 100]
        await fill(settings, sizes)
        log = await EventLog.connect(settings, name="reader")
        numbers = await asyncio.wait_for(read(log, len(sizes)), 15)
        await log.close()
    assert numbers == list(range(len(sizes)))
