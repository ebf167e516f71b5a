"""Below OCPP: frames of RFC 6455 as they may come, and as they must not. A breach closes the connection with the
code of section 7.4.1; whatever comes, the collector lives on and serves the others."""

from __future__ import annotations

import json
import random
import struct

import pytest

from tests.conformance.target import Target
from tests.support.payloads import HAPPY
from tests.support.rawsocket import BINARY, CLOSE, PING, PONG, TEXT, RawSocket, frame

CALL = '[2,"w1","Heartbeat",{}]'
PROTOCOLS = sorted(HAPPY)


async def is_answered(station: RawSocket) -> bool:
    message = await station.rpc()
    return bool(message[:2] == [3, "w1"])


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(struct.pack("!H", code) + reason, opcode=CLOSE)


BREACHES = {
    "an unmasked text": (frame(CALL, masked=False), 1002),
    "an unmasked ping": (frame("", opcode=PING, masked=False), 1002),
    "reserved bit 1": (frame(CALL, rsv=4), 1002),
    "reserved bit 2": (frame(CALL, rsv=2), 1002),
    "reserved bit 3": (frame(CALL, rsv=1), 1002),
    "a reserved data opcode": (frame(CALL, opcode=0x3), 1002),
    "a reserved control opcode": (frame("", opcode=0xB), 1002),
    "a fragmented ping": (frame("", opcode=PING, fin=False), 1002),
    "a ping of 126 bytes": (frame("x" * 126, opcode=PING), 1002),
    "a continuation of nothing": (frame(CALL, opcode=0), 1002),
    "a text inside a text": (frame(CALL, fin=False) + frame(CALL), 1002),
    "text that is not UTF-8": (frame(b'[2,"w1","Heartbeat",{"x":"\xff"}]'), 1007),
    "text cut inside a character": (frame('[2,"w1","Heartbeat",{"x":"å'.encode()[:-1]), 1007),
    "a surrogate in UTF-8": (frame(b'[2,"w1","Heartbeat",{"x":"\xed\xa0\x80"}]'), 1007),
    "a close of one byte": (frame(b"\x03", opcode=CLOSE), 1002),
    "a close code nobody may send": (closing(1005), 1002),
    "a close code of nobody": (closing(999), 1002),
    "a close reason that is not UTF-8": (closing(1000, b"\xff"), 1007),
    "2 MB": (frame("x" * 2**21), 1009),
    "a claim of 2^62 bytes": (bytes([0x81, 0xFF]) + struct.pack("!Q", 2**62) + b"mask", 1009),
    "a claim of 2^63 bytes": (
        bytes([0x81, 0xFF]) + struct.pack("!Q", 2**63) + b"mask",
        1009,
    ),
}


@pytest.mark.parametrize("name", BREACHES)
async def test_breach_of_the_protocol_closes_with_its_code_and_disturbs_nobody(
    target: Target, bystander: RawSocket, name: str
) -> None:
    data, code = BREACHES[name]
    async with target.station("ocpp2.0.1") as station:
        await station.beat()
        await station.write(data)
        assert (await station.end()).code == code
    await bystander.beat()
    async with target.station("ocpp2.0.1") as station:  # the same station may come back at once
        await station.beat()


async def test_fragments_of_ever_growing_length_are_bounded_together(target: Target, bystander: RawSocket) -> None:
    async with target.station("ocpp1.6") as station:
        await station.write(frame("x", fin=False))
        for _ in range(24):
            await station.write(frame("x" * 2**16, opcode=0, fin=False))
        assert (await station.end()).code == 1009
    await bystander.beat()


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_goodbye_is_returned(target: Target, code: int) -> None:
    async with target.station("ocpp1.6") as station:
        await station.write(closing(code, b"bye"))
        assert (await station.receive()).code == code


async def test_goodbye_without_a_code_is_returned(target: Target) -> None:
    async with target.station("ocpp1.6") as station:
        await station.write(frame("", opcode=CLOSE))
        assert (await station.receive()).opcode == CLOSE


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_text_in_fragments_is_one_message(target: Target, protocol: str) -> None:
    async with target.station(protocol) as station:
        *most, last = CALL
        await station.write(frame("", fin=False))
        for character in most:
            await station.write(frame(character, opcode=0, fin=False))
        await station.write(frame(last, opcode=0))
        assert await is_answered(station)


async def test_ping_between_fragments_is_answered_first(target: Target) -> None:
    async with target.station("ocpp1.6") as station:
        await station.write(frame(CALL[:5], fin=False) + frame("hi", opcode=PING) + frame(CALL[5:], opcode=0))
        pong = await station.receive()
        assert (pong.opcode, pong.payload) == (PONG, b"hi")
        assert await is_answered(station)


async def test_frame_byte_by_byte_is_read(target: Target) -> None:
    async with target.station("ocpp1.6") as station:
        for byte in frame(CALL):
            await station.write(bytes([byte]))
        assert await is_answered(station)


async def test_many_frames_in_one_write_are_answered_in_order(target: Target) -> None:
    async with target.station("ocpp1.6") as station:
        await station.write(b"".join(frame(f'[2,"m{n}","Heartbeat",{{}}]') for n in range(200)))
        assert [(await station.rpc())[1] for _ in range(200)] == [f"m{n}" for n in range(200)]


async def test_ocpp_in_a_binary_frame_is_read(target: Target) -> None:
    async with target.station("ocpp1.6") as station:
        await station.send(CALL, opcode=BINARY)
        assert await is_answered(station)


async def test_noise_in_a_binary_frame_is_kept_and_the_connection_goes_on(target: Target) -> None:
    async with target.station("ocpp1.6") as station:
        await station.send(bytes(range(256)), opcode=BINARY)
        await station.beat()


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 400_000])
async def test_every_encoding_of_the_length_is_read(target: Target, size: int) -> None:
    async with target.station("ocpp1.6") as station:
        payload = {"vendorId": "x", "data": "y" * size}
        assert (await station.call("DataTransfer", payload))[0] == 3


async def test_flood_of_pings_is_answered_and_disturbs_nobody(target: Target, bystander: RawSocket) -> None:
    async with target.station("ocpp1.6") as station:
        for _ in range(20):
            await station.write(frame("x" * 100, opcode=PING) * 100)
            await bystander.beat()
            for _ in range(100):
                assert (await station.receive()).opcode == PONG
        await station.beat()


async def test_pong_that_nobody_asked_for_changes_nothing(target: Target) -> None:
    async with target.station("ocpp1.6") as station:
        await station.write(frame("unasked", opcode=PONG) * 10)
        await station.beat()


async def test_flood_of_calls_from_a_station_that_does_not_read_disturbs_nobody(
    target: Target, bystander: RawSocket
) -> None:
    async with target.station("ocpp1.6") as station:
        await station.write(frame('[2,"f","Heartbeat",{}]') * 1500)
        for _ in range(5):
            await bystander.beat()
        station.hang_up()
    await bystander.beat()


async def test_newer_connection_wins_while_the_old_one_is_half_open(target: Target) -> None:
    async with target.station("ocpp1.6") as old, target.station("ocpp2.0.1") as new:
        await new.beat()
        assert (await old.end()).opcode == CLOSE
        await new.beat()


async def test_connections_lost_at_any_byte_disturb_nobody(target: Target, bystander: RawSocket) -> None:
    whole = frame(json.dumps([2, "1", "BootNotification", HAPPY["ocpp1.6"]["BootNotification"]]))
    for cut in random.Random(7).sample(range(len(whole)), 25):
        async with target.station("ocpp1.6") as station:
            await station.write(whole[:cut])
            station.hang_up()
    async with target.station("ocpp1.6") as station:
        await station.beat()
    await bystander.beat()


@pytest.mark.parametrize("seed", range(20))
async def test_any_bytes_after_the_handshake_close_one_connection_at_most(
    target: Target, bystander: RawSocket, seed: int
) -> None:
    """Half noise, half frames with a byte changed: closed, or answered, and never a word to anybody else."""
    chance = random.Random(seed)
    async with target.station(chance.choice(PROTOCOLS)) as station:
        for _ in range(20):
            data = bytearray(frame(CALL, opcode=chance.choice([TEXT, BINARY, PING, 0])))
            data[chance.randrange(len(data))] = chance.randrange(256)
            await station.write(chance.randbytes(chance.randrange(200)) if chance.random() < 0.5 else bytes(data))
        station.end_of_input()
        await station.end()
    await bystander.beat()
