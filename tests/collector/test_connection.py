"""A station's websocket without the collector behind it: what it hands on, holds back, and gives up on."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from collector import connection as connection_module
from collector.connection import WINDOW, Door, StationConnection
from tests.support.waiting import eventually


class Desk:
    """A server with one connection at a time, and what its messages were. Nothing answers by itself."""

    def __init__(self) -> None:
        self.port = 0
        self.got: list[str | bytes] = []
        self.take: Callable[[str | bytes], None] = self.got.append  # before it opens
        self.opened: asyncio.Future[StationConnection] = asyncio.get_running_loop().create_future()
        self.closed = asyncio.Event()

    async def handle(self, opened: ServerConnection) -> None:
        connection = cast("StationConnection", opened)
        connection.listen(self.take)
        self.opened.set_result(connection)
        await connection.wait_closed()
        self.closed.set()

    async def until_got(self, count: int) -> None:
        await eventually(lambda: len(self.got) >= count, what=f"{count} messages")

    def station(self) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}", compression=None)


@asynccontextmanager
async def desk(**options: Any) -> AsyncIterator[Desk]:
    made = Desk()
    given = {"compression": None, "create_connection": StationConnection, "close_timeout": 0.3, **options}
    async with serve(made.handle, "127.0.0.1", 0, **given) as server:
        made.port = next(iter(server.sockets)).getsockname()[1]
        yield made


class Bare:
    """A client of bytes, for what no library would do: it answers no ping and no goodbye."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def frame(self) -> tuple[Opcode, bytes]:
        """The next short frame. Raises IncompleteReadError when the server has gone."""
        head, length = await asyncio.wait_for(self._reader.readexactly(2), 10)
        return Opcode(head & 0x0F), await self._reader.readexactly(length)

    async def until_gone(self) -> None:
        async with asyncio.timeout(10):
            while await self._reader.read(65536):
                pass


class Latest:
    """Takes the place of the one connection where there are several."""

    def set_result(self, _: StationConnection) -> None:
        return


HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


@asynccontextmanager
async def bare_client(port: int, *first: str) -> AsyncIterator[Bare]:
    """`first` leaves with the handshake, in one piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HANDSHAKE + b"".join(text_frame(text) for text in first))
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield Bare(reader, writer)
    finally:
        writer.transport.abort()


def text_frame(text: str) -> bytes:
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


async def text_of(link: ClientConnection) -> str | bytes:
    return await asyncio.wait_for(link.recv(), 10)


async def test_messages_beyond_the_window_wait_for_answers() -> None:
    async with desk() as here, here.station() as link:
        for number in range(3 * WINDOW):
            await link.send(str(number))
        await here.until_got(WINDOW)
        connection = await here.opened
        for done in range(3 * WINDOW):
            await here.until_got(done + 1)
            assert len(here.got) <= done + WINDOW
            connection.answer(f"re {here.got[done]!s}")
        assert [await text_of(link) for _ in range(3 * WINDOW)] == [f"re {n}" for n in range(3 * WINDOW)]


async def test_who_rests_is_not_heard_until_it_is_over_and_then_in_order() -> None:
    async with desk() as here, here.station() as station:
        connection = await here.opened
        connection.rest(0.3)
        connection.rest(60)  # it rests already
        began = asyncio.get_running_loop().time()
        for text in ("1", "2", "3"):
            await station.send(text)
        await here.until_got(3)
        assert asyncio.get_running_loop().time() - began >= 0.3
        assert here.got == ["1", "2", "3"]


async def test_who_rests_and_leaves_is_gone() -> None:
    async with desk() as here:
        async with here.station():
            (await here.opened).rest(60)
        await asyncio.wait_for(here.closed.wait(), 10)


async def test_messages_without_a_reply_make_room_too() -> None:
    async with desk() as here:

        def take(message: str | bytes) -> None:
            here.got.append(message)
            asyncio.get_running_loop().call_soon(here.opened.result().answer, None)

        here.take = take
        async with here.station() as link:
            for number in range(10 * WINDOW):
                await link.send(str(number))
            await here.until_got(10 * WINDOW)


async def test_message_that_comes_with_the_handshake_is_handed_on() -> None:
    async with desk() as here, bare_client(here.port, "early", "bird"):
        await here.until_got(2)
        assert here.got == ["early", "bird"]


async def test_fragments_with_a_ping_between_them_are_one_message() -> None:
    async with desk() as here, bare_client(here.port) as bare:
        for opcode, data, final in [
            (Opcode.TEXT, "Å".encode()[:1], False),
            (Opcode.PING, b"there?", True),
            (Opcode.CONT, b"", False),
            (Opcode.CONT, "Å".encode()[1:], True),
        ]:
            bare.writer.write(Frame(opcode, data, final).serialize(mask=True))
        await here.until_got(1)
        assert here.got == ["Å"]
        assert await bare.frame() == (Opcode.PONG, b"there?")


async def test_last_words_before_a_goodbye_are_handed_on() -> None:
    async with desk() as here, bare_client(here.port) as bare:
        goodbye = Frame(Opcode.CLOSE, b"\x03\xe8lunch").serialize(mask=True)
        bare.writer.write(text_frame("last words") + goodbye + text_frame("after"))
        await asyncio.wait_for(here.closed.wait(), 10)
        assert here.got == ["last words"]
        closed = (await here.opened).closed_by
        assert closed is not None
        assert (closed.code, closed.reason) == (1000, "lunch")


async def test_broken_text_ends_the_connection_also_for_one_that_never_leaves() -> None:
    async with desk() as here, bare_client(here.port) as bare:
        bad = Frame(Opcode.TEXT, b"\xff").serialize(mask=True)
        bare.writer.write(bad + text_frame("after"))
        opcode, data = await bare.frame()
        assert (opcode, int.from_bytes(data[:2], "big")) == (Opcode.CLOSE, 1007)
        await asyncio.wait_for(here.closed.wait(), 10)
        assert here.got == []


async def test_whoever_speaks_is_alive_without_answering_a_ping() -> None:
    async with desk(ping_interval=0.05, ping_timeout=0.2) as here, bare_client(here.port) as bare:
        for _ in range(10):  # pings, half a second of them
            assert (await bare.frame())[0] is Opcode.PING
            bare.writer.write(text_frame("still here"))
        assert not here.closed.is_set()


async def test_whoever_is_silent_and_answers_no_ping_is_gone() -> None:
    async with desk(ping_interval=0.05, ping_timeout=0.1) as here, bare_client(here.port) as bare:
        await bare.until_gone()
        await asyncio.wait_for(here.closed.wait(), 10)


async def test_whoever_reads_no_replies_is_not_read_from_and_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "DEAF_S", 0.3)
    async with desk(ping_interval=None) as here, here.station() as link:
        link.transport.pause_reading()
        connection = await here.opened
        for _ in range(200):  # more than the sockets take
            connection.say("x" * 65536)
        assert connection.paused
        before = len(here.got)
        await link.send("anybody?")
        await asyncio.wait_for(here.closed.wait(), 10)
        assert len(here.got) == before
        assert connection.closed_by is None
        link.transport.abort()


async def test_whoever_reads_its_replies_late_is_read_from_again() -> None:
    async with desk() as here, here.station() as link:
        link.transport.pause_reading()
        connection = await here.opened
        for _ in range(200):
            connection.say("x" * 65536)
        await link.send("anybody?")
        link.transport.resume_reading()
        for _ in range(200):
            await text_of(link)
        await here.until_got(1)


async def test_hanging_up_answers_what_came_and_takes_no_more() -> None:
    async with desk() as here, here.station() as link:
        await link.send("one")
        await here.until_got(1)
        connection = await here.opened
        leaving = asyncio.create_task(connection.hang_up(1001, "service restart", patience_s=10))
        await link.send("two")
        await asyncio.sleep(0)
        connection.answer("re one")
        assert await text_of(link) == "re one"
        await leaving
        assert (link.close_code, link.close_reason) == (1001, "service restart")
        assert here.got == ["one"]


async def test_hanging_up_does_not_wait_for_ever() -> None:
    async with desk() as here, here.station() as link:
        await link.send("one")
        await here.until_got(1)
        connection = await here.opened
        await asyncio.wait_for(connection.hang_up(1001, "service restart", patience_s=0.1), 5)
        connection.answer("too late")
        assert link.close_code == 1001


async def test_handshakes_beyond_the_width_of_the_door_wait_for_their_turn() -> None:
    held: list[asyncio.Future[None]] = []

    async def admit(_: Any, __: Any) -> None:
        held.append(asyncio.get_running_loop().create_future())
        await held[-1]

    door = Door(2)
    factory = partial(StationConnection, door=door)
    async with desk(create_connection=factory, process_request=admit) as here:
        here.opened = cast("asyncio.Future[StationConnection]", Latest())
        coming = [asyncio.create_task(here.station().__aenter__()) for _ in range(3)]
        await eventually(lambda: len(held) == 2)
        gone = await asyncio.open_connection("127.0.0.1", here.port)
        gone[1].write(HANDSHAKE)
        gone[1].transport.abort()  # does not wait for its turn
        for number in range(3):
            await eventually(lambda number=number: len(held) > number)  # type: ignore[misc]  # a lambda with a default
            held[number].set_result(None)
        for link in await asyncio.gather(*coming):
            await link.close()
        assert door.waiting == 0


async def test_handshake_that_is_refused_leaves_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: ServerConnection, _: Any) -> Any:
        return connection.respond(403, "no")

    async with desk(create_connection=partial(StationConnection, door=Door(1)), process_request=refuse) as here:
        for _ in range(3):
            with pytest.raises(InvalidStatus):
                await here.station()


async def test_connection_without_a_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "REQUEST_WITHIN_S", 0.1)
    async with desk() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(HANDSHAKE[:20])
        async with asyncio.timeout(10):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.transport.abort()
