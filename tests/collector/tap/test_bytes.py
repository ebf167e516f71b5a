"""What a central system and a station see through the tap is what they see without it, byte for byte."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from laddvakt.domain.errors import SettingsError
from tests.support.authority import Authority
from tests.support.tap import Deflater, RawStation, Recording, answer_101, masked, plain, request, tapped
from tests.support.waiting import eventually

BOOT = json.dumps([2, "1", "BootNotification", {"chargePointVendor": "Å", "chargePointModel": "M"}])
LONG = json.dumps([2, "2", "DataTransfer", {"vendorId": "x", "data": "y" * 200_000}])
REPLY = json.dumps([3, "1", {"status": "Accepted", "interval": 300, "currentTime": "2026-11-21T10:00:00Z"}])
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"


def compressed() -> tuple[list[bytes], list[bytes]]:
    station, central = Deflater(), Deflater()
    up = [masked(station.payload(BOOT), rsv1=True), masked(station.payload(BOOT), rsv1=True)]
    down = [bytes([0xC1, len(part)]) + part for part in (central.payload('[3,"1",{}]'),)]
    return up, down


SCENES: dict[str, tuple[list[bytes], list[bytes]]] = {
    "text": ([masked(BOOT)], [plain(REPLY)]),
    "fragments with a ping between them": (
        [
            masked(BOOT[:20], fin=False),
            masked("p", Opcode.PING),
            masked(BOOT[20:40], Opcode.CONT, fin=False),
            masked(BOOT[40:], Opcode.CONT),
        ],
        [plain(REPLY[:9], fin=False), plain("q", Opcode.PONG), plain(REPLY[9:], Opcode.CONT)],
    ),
    "binary": ([masked(b"\x00\xff\x80", Opcode.BINARY)], [plain(b"\xfe\x01", Opcode.BINARY)]),
    "pings and pongs": ([masked("1", Opcode.PING), masked("", Opcode.PONG)], [plain("2", Opcode.PING)]),
    "long": ([masked(LONG)], [plain(LONG)]),
    "compressed": compressed(),
    "close": ([masked(b"\x03\xe8bye", Opcode.CLOSE)], [plain(b"\x03\xe8", Opcode.CLOSE)]),
    "no websocket frames at all": ([b"\xff\xff\xff\xff\xff" * 100], [b"\x00rubbish" * 50]),
    "a mask that must not be there": ([masked(BOOT)], [masked(REPLY)]),
}


async def spoken(port: int, host: str, up: list[bytes], down: list[bytes], protocol: str, *fields: str) -> bytes:
    """A station says `up` after its handshake. Returns all that it received."""
    station = await RawStation.connect(port)
    answer = answer_101(protocol, *fields)
    await station.send(request(host, "/ocpp/SE%2D1?x=1", protocol, *fields))
    await station.until(len(answer))
    for piece in up:
        await station.send(piece)
    received = await station.until(len(answer) + len(b"".join(down)))
    await station.close()
    return received


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
@pytest.mark.parametrize("scene", SCENES)
async def test_bytes_are_the_same_as_without(tmp_path: Path, scene: str, protocol: str) -> None:
    up, down = SCENES[scene]
    fields = [DEFLATE] if scene == "compressed" else []
    async with Recording(answer=answer_101(protocol, *fields), says=down) as central:
        host = f"127.0.0.1:{central.port}"
        alone = await spoken(central.port, host, up, down, protocol, *fields)
        async with tapped(tmp_path, f"ws://{host}", log=False) as tap:
            through = await spoken(tap.port, f"127.0.0.1:{tap.port}", up, down, protocol, *fields)
            await eventually(lambda: central.ended == 2)
    assert through == alone
    assert bytes(central.received[1]) == bytes(central.received[0])
    assert bytes(central.received[1]).endswith(b"".join(up))


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_bytes_are_the_same_when_they_come_in_small_pieces(tmp_path: Path, size: int) -> None:
    async with Recording(answer=answer_101(), says=[plain(REPLY)]) as central:
        host = f"127.0.0.1:{central.port}"
        sent = request(host) + masked(BOOT)
        async with tapped(tmp_path, f"ws://{host}", log=False) as tap:
            station = await RawStation.connect(tap.port)
            station.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(sent), size):
                await station.send(sent[start : start + size])
                await asyncio.sleep(0)
            await station.until(len(answer_101()))
            await eventually(lambda: len(central.bytes) == len(sent))
            await station.close()
    assert central.bytes == sent


@pytest.mark.parametrize(
    ("path", "asked", "seen"),
    [
        ("", "/SE-1", "/SE-1"),
        ("/", "/a/b/SE-1/?q=%20", "/a/b/SE-1/?q=%20"),
        ("/ocpp", "/SE%201", "/ocpp/SE%201"),
        ("/steve/CentralSystemService/{station_id}", "/ocpp/SE%2F1/", "/steve/CentralSystemService/SE%2F1"),
        ("/v/{station_id}/ws", "/SE-1?a=b", "/v/SE-1/ws?a=b"),
    ],
)
async def test_the_path_is_mapped_and_nothing_else(tmp_path: Path, path: str, asked: str, seen: str) -> None:
    async with Recording(answer=answer_101()) as central:
        host = f"localhost:{central.port}"
        async with tapped(tmp_path, f"ws://{host}{path}", log=False) as tap:
            station = await RawStation.connect(tap.port)
            await station.send(request("tap.example:9100", asked))
            await station.until(1)
            await station.close()
    assert central.bytes == request(host, seen)


async def test_the_host_of_the_station_is_kept_when_told_so(tmp_path: Path) -> None:
    async with (
        Recording(answer=answer_101()) as central,
        tapped(tmp_path, f"ws://127.0.0.1:{central.port}", log=False, keep_host=True) as tap,
    ):
        station = await RawStation.connect(tap.port)
        await station.send(request("csms.example"))
        await station.until(1)
        await station.close()
    assert central.bytes == request("csms.example")


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "503 Busy"])
async def test_a_refusal_reaches_the_station_as_it_is(tmp_path: Path, status: str) -> None:
    refusal = f'HTTP/1.1 {status}\r\nWWW-Authenticate: Basic realm="x"\r\ncontent-length: 2\r\n\r\nno'.encode()
    async with Recording(answer=refusal) as central:
        host = f"127.0.0.1:{central.port}"
        async with tapped(tmp_path, f"ws://{host}", log=False) as tap:
            station = await RawStation.connect(tap.port)
            await station.send(request("tap:1"))
            assert await station.until(len(refusal)) == refusal
            await station.send(request("tap:1", "/SE-1", "ocpp1.6", "Authorization: again"))
            second = request(host, "/SE-1", "ocpp1.6", "Authorization: again")
            await eventually(lambda: central.bytes == request(host) + second)
            assert tap.tap.connected == frozenset()
            await station.close()


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET \r\n\r\n",
        b"\x16\x03\x01\x02",
        b"G\xff",
        b"GET /" + b"x" * 100_000,
    ],
)
async def test_what_is_no_request_passes_untouched(tmp_path: Path, said: bytes) -> None:
    async with Recording() as central, tapped(tmp_path, f"ws://127.0.0.1:{central.port}", log=False) as tap:
        station = await RawStation.connect(tap.port)
        await station.send(said)
        await eventually(lambda: central.bytes == said)
        central.writers[0].write(b"400 ?\r\n")
        assert await station.until(7) == b"400 ?\r\n"
        await station.close()


async def test_half_closes_are_passed_on_both_ways(tmp_path: Path) -> None:
    async with (
        Recording(answer=answer_101()) as central,
        tapped(tmp_path, f"ws://127.0.0.1:{central.port}", log=False) as tap,
    ):
        station = await RawStation.connect(tap.port)
        await station.send(request("tap"))
        await station.until(len(answer_101()))
        central.writers[0].write_eof()
        assert await station.to_the_end() == answer_101()
        await station.send(masked("after the end of the other side"))
        station.writer.write_eof()
        await eventually(lambda: central.ended == 1)
        assert central.bytes.endswith(masked("after the end of the other side"))
        await eventually(lambda: not tap.tap.relay.connections)
        await station.close()


async def test_a_central_system_that_does_not_read_holds_up_its_station_alone(tmp_path: Path) -> None:
    async with (
        Recording(answer=answer_101()) as central,
        tapped(tmp_path, f"ws://127.0.0.1:{central.port}", log=False) as tap,
    ):
        stations = [await RawStation.connect(tap.port) for _ in range(2)]
        for station in stations:
            await station.send(request("tap"))
            await station.until(len(answer_101()))
        central.reading.clear()
        chunk = masked("x" * 60_000)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    await stations[0].send(chunk)
                    sent += len(chunk)
        held = next(iter(tap.tap.relay.connections)).other
        assert held is not None
        assert held.transport is not None
        assert held.transport.get_write_buffer_size() < 1_000_000
        central.writers[0].write(plain("still heard"))
        assert (await stations[0].until(len(answer_101()) + 13)).endswith(b"still heard")
        central.reading.set()
        await eventually(lambda: len(central.received[0]) > sent, deadline_s=20)
        for station in stations:
            await station.close()


async def test_a_station_that_does_not_read_holds_up_the_central_system(tmp_path: Path) -> None:
    async with (
        Recording(answer=answer_101()) as central,
        tapped(tmp_path, f"ws://127.0.0.1:{central.port}", log=False) as tap,
    ):
        station = await RawStation.connect(tap.port)
        await station.send(request("tap"))
        await eventually(lambda: central.writers)
        chunk = plain("x" * 60_000)
        sent = len(answer_101())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    central.writers[0].write(chunk)
                    sent += len(chunk)
                    await central.writers[0].drain()
        await station.send(masked("still heard"))
        await eventually(lambda: central.bytes.endswith(masked("still heard")))
        assert len(await station.until(sent)) == sent
        await station.close()


async def test_an_unreachable_central_system_is_told_to_the_station_at_once(tmp_path: Path) -> None:
    async with Recording() as gone:
        port = gone.port
    async with tapped(tmp_path, f"ws://127.0.0.1:{port}", log=False) as tap:
        station = await RawStation.connect(tap.port)
        await station.send(request("tap"))
        told = await station.to_the_end()
        assert told.startswith(b"HTTP/1.1 502 ")
        head, _, body = told.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert tap.tap.relay.way.failures == 1
        assert "onnect" in tap.tap.relay.way.trouble
        await station.close()
        async with Recording(answer=answer_101()) as back:
            back_port = back.port
            tap.tap.relay.way.upstream = tap.tap.relay.way.upstream._replace(port=back_port)
            station = await RawStation.connect(tap.port)
            await station.send(request("tap"))
            assert await station.until(len(answer_101())) == answer_101()
            assert tap.tap.relay.way.trouble == ""
            await station.close()


async def test_a_station_that_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.tap.relay.REQUEST_WITHIN_S", 0.1)
    async with tapped(tmp_path, "ws://127.0.0.1:1", log=False) as tap:
        station = await RawStation.connect(tap.port)
        await station.send(b"GET /SE-1 HT")
        with suppress(ConnectionResetError):
            assert await station.to_the_end() == b""
        await eventually(lambda: not tap.tap.relay.connections)
        await station.close()


async def test_tls_on_both_sides(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.cert, pair.key)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    files: dict[str, Any] = {
        "cert_file": str(pair.cert),
        "key_file": str(pair.key),
        "ca_file": str(authority.ca_file),
    }
    async with Recording(answer=answer_101(), says=[plain(REPLY)], tls=serving) as central:
        host = f"localhost:{central.port}"
        async with tapped(tmp_path, f"wss://{host}", log=False, **files) as tap:
            station = await RawStation.connect(tap.port, trusting)
            await station.send(request("tap"))
            await station.send(masked(BOOT))
            assert await station.until(len(answer_101() + plain(REPLY))) == answer_101() + plain(REPLY)
            await eventually(lambda: central.bytes == request(host) + masked(BOOT))
            await station.close()
            await eventually(lambda: central.ended == 1)


async def test_a_central_system_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "Another CA").issue("localhost")
    ours = Authority(tmp_path)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.cert, pair.key)
    async with Recording(answer=answer_101(), tls=serving) as central:
        upstream = f"wss://localhost:{central.port}"
        async with tapped(tmp_path, upstream, log=False, ca_file=str(ours.ca_file)) as tap:
            station = await RawStation.connect(tap.port)
            await station.send(request("tap"))
            assert (await station.to_the_end()).startswith(b"HTTP/1.1 502 ")
            assert "CERTIFICATE_VERIFY_FAILED" in tap.tap.relay.way.trouble
            await station.close()
    assert central.bytes == b""


@pytest.mark.parametrize(
    "upstream",
    [
        "",
        "csms.example",
        "http://csms.example",
        "ws://",
        "ws://u:p@csms.example",
        "ws://csms:99999",
        "ws://ö.example",
    ],
)
async def test_an_upstream_that_cannot_be_is_refused_at_the_start(tmp_path: Path, upstream: str) -> None:
    with pytest.raises(SettingsError, match="upstream"):
        async with tapped(tmp_path, upstream, log=False):
            pass
