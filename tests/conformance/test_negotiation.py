"""The handshake: versions, identities, and what is no handshake at all (OCPP-J 1.6 section 3; 2.0.1 part 4 section
3; RFC 6455 section 4)."""

from __future__ import annotations

import pytest

from tests.conformance.target import Target
from tests.support.payloads import HAPPY
from tests.support.rawsocket import CLOSE, RawSocket, frame, upgrade


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("ocpp1.6", "ocpp1.6"),
        ("ocpp2.0.1", "ocpp2.0.1"),
        ("ocpp2.1", "ocpp2.1"),
        ("ocpp2.1, ocpp2.0.1, ocpp1.6", "ocpp2.1"),  # the station's order of preference
        ("ocpp1.6,ocpp2.0.1,ocpp2.1", "ocpp1.6"),
        ("ocpp2.0.1 , ocpp2.1", "ocpp2.0.1"),
        ("ocpp1.2, ocpp2.0, ocpp3.0, ocpp2.1", "ocpp2.1"),
        ("mqtt, ocpp1.6, ocpp1.6", "ocpp1.6"),
    ],
)
async def test_first_version_that_both_speak_is_chosen(target: Target, offered: str, chosen: str) -> None:
    async with target.connection() as socket:
        who = target.stations[0]
        headers = {**who.headers, "Sec-WebSocket-Protocol": offered}
        answer = await socket.shake_hands(target.path_of(who.station_id), headers=headers)
        assert (answer.status, answer.headers["sec-websocket-protocol"]) == (101, chosen)
        message = await socket.call("BootNotification", HAPPY[chosen]["BootNotification"])
        assert message[0] == 3


@pytest.mark.parametrize("offered", ["ocpp1.5", "ocpp2.0", "OCPP1.6", "ocpp1.6j", "mqtt, ocpp"])
async def test_without_a_common_version_the_handshake_completes_and_the_connection_is_closed(
    target: Target, offered: str
) -> None:
    """OCPP-J 1.6 section 3.2; 2.0.1 part 4 section 3.2."""
    async with target.connection() as socket:
        who = target.stations[0]
        headers = {**who.headers, "Sec-WebSocket-Protocol": offered}
        answer = await socket.shake_hands(target.path_of(who.station_id), headers=headers)
        assert answer.status == 101
        assert "sec-websocket-protocol" not in answer.headers
        assert (await socket.receive()).opcode == CLOSE


async def test_station_that_offers_no_version_is_read_as_1_6(own: Target) -> None:
    async with own.connection() as socket:
        who = own.stations[0]
        answer = await socket.shake_hands(own.path_of(who.station_id), headers=who.headers)
        assert answer.status == 101
        assert "sec-websocket-protocol" not in answer.headers
        assert (await socket.call("StatusNotification", HAPPY["ocpp1.6"]["StatusNotification"]))[0] == 3


@pytest.mark.parametrize("path", ["/CONF-1", "/CONF-1/", "/ocpp/CONF-1", "/ocpp/CONF-1/", "/ocpp/%43ONF%2D1"])
async def test_identity_is_the_end_of_the_path_however_it_is_written(own: Target, path: str) -> None:
    async with own.connection() as socket:
        answer = await socket.shake_hands(path, protocols=["ocpp1.6"])
        assert answer.status == 101
        message = await socket.call("BootNotification", HAPPY["ocpp1.6"]["BootNotification"])
        assert message[2]["status"] == "Accepted"  # a registered station: the identity was read


@pytest.mark.parametrize("path", ["/", "/ocpp", "/ocpp/", "/a/b/c", "/ocpp/%00", "/ocpp/" + "x" * 300, "/%2F"])
async def test_path_without_a_usable_identity_is_refused(own: Target, path: str) -> None:
    async with own.connection() as socket:
        answer = await socket.shake_hands(path, protocols=["ocpp1.6"])
        assert 400 <= answer.status < 500


async def test_station_that_nobody_registered_waits_and_may_not_charge(own: Target) -> None:
    async with own.connection() as socket:
        await socket.shake_hands("/ocpp/NEVER-HEARD-OF", protocols=["ocpp1.6"])
        boot = await socket.call("BootNotification", HAPPY["ocpp1.6"]["BootNotification"])
        assert boot[2]["status"] == "Pending"
        start = await socket.call("StartTransaction", HAPPY["ocpp1.6"]["StartTransaction"])
        assert (start[0], start[2]) == (4, "SecurityError")
        await socket.beat()


GARBAGE = {
    "nothing": b"",
    "a line end": b"\r\n\r\n",
    "noise": bytes(range(256)) * 8,
    "zeros": b"\0" * 4096,
    "a TLS hello": bytes.fromhex("16030100c8010000c40303") + b"x" * 189,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a websocket frame at once": frame('[2,"1","Heartbeat",{}]'),
    "no HTTP version": b"GET /ocpp/CONF-1\r\n\r\n",
    "HTTP 1.0": b"GET /ocpp/CONF-1 HTTP/1.0\r\nHost: x\r\n\r\n",
    "HTTP 2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "POST": upgrade("/ocpp/CONF-1", protocols=["ocpp1.6"]).replace(b"GET", b"POST", 1),
    "plain GET": b"GET /ocpp/CONF-1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute path": b"GET http://elsewhere/ocpp/CONF-1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no key": upgrade("/ocpp/CONF-1", headers={"Sec-WebSocket-Key": ""}),
    "a short key": upgrade("/ocpp/CONF-1", headers={"Sec-WebSocket-Key": "AAAA"}),
    "no upgrade": upgrade("/ocpp/CONF-1", headers={"Upgrade": ""}),
    "version 8": upgrade("/ocpp/CONF-1", headers={"Sec-WebSocket-Version": "8"}),
    "no version": upgrade("/ocpp/CONF-1", headers={"Sec-WebSocket-Version": ""}),
    "a header without colon": upgrade("/ocpp/CONF-1").replace(b"Host: ", b"Host ", 1),
    "a folded header": upgrade("/ocpp/CONF-1").replace(b"Host: collector", b"Host:\r\n collector", 1),
    "a header of 64 KB": upgrade("/ocpp/CONF-1", headers={"X-Long": "x" * 65536}),
    "a path of 64 KB": upgrade("/" + "x" * 65536),
    "1000 headers": upgrade("/ocpp/CONF-1", headers={f"X-{number}": "x" for number in range(1000)}),
    "bytes outside ASCII": upgrade("/ocpp/CONF-1").replace(b"CONF-1", "Ångström".encode(), 1),
    "a bare line feed": upgrade("/ocpp/CONF-1").replace(b"\r\n", b"\n"),
    "a body": upgrade("/ocpp/CONF-1", headers={"Content-Length": "5", "Upgrade": ""}) + b"hello",
    "chunks": upgrade("/ocpp/CONF-1", headers={"Transfer-Encoding": "chunked"}) + b"5\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_what_is_no_handshake_opens_nothing_and_disturbs_nobody(
    target: Target, bystander: RawSocket, name: str
) -> None:
    async with target.connection() as socket:
        await socket.write(GARBAGE[name])
        socket.end_of_input()
        answer = await socket.answer()
        assert answer is None or answer.status >= 400
    await bystander.beat()


async def test_handshakes_that_never_end_disturb_nobody(target: Target, bystander: RawSocket) -> None:
    """Slowloris: many connections that say a little and then wait."""
    request = upgrade(target.path_of(target.stations[0].station_id), protocols=["ocpp1.6"])
    slow = [target.connection() for _ in range(60)]
    opened = [await connection.__aenter__() for connection in slow]
    try:
        for part in (request[:10], request[10:60]):
            for socket in opened:
                await socket.write(part)
            await bystander.beat()
        async with target.station("ocpp2.0.1") as station:
            await station.beat()
    finally:
        for connection in slow:
            await connection.__aexit__(None, None, None)
