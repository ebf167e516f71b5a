"""What real stations do with connections. The numbers are the lines of docs/reference/quirks.md."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

from detector.engine import Engine
from detector.rules import RULES
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.facts import LinkDown, LinkUp, NonConforming, Quarantined
from laddvakt.domain.stations import StationState
from tests.support.collecting import Door, answer, ask, served
from tests.support.recording import Desk
from tests.support.stations import Speaker, at, stamp

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
START = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": stamp(0)}


async def goes_on(link: ClientConnection) -> None:
    """The conversation does."""
    assert (await ask(link, "Heartbeat", {}, "still-here"))[:2] == [3, "still-here"]


# 22


@pytest.mark.parametrize("default", ["ocpp1.6", "ocpp2.0.1"])
async def test_q22_station_that_offers_no_version_is_read_by_the_default(tmp_path: Path, default: str) -> None:
    boots = {
        "ocpp1.6": BOOT,
        "ocpp2.0.1": {"reason": "PowerUp", "chargingStation": {"model": "One", "vendorName": "Acme"}},
    }
    async with served(tmp_path, default_protocol=default) as door, door.station(subprotocols=None) as link:
        assert (await ask(link, "BootNotification", boots[default]))[2]["status"] == "Accepted"
        up = (await door.entries(2))[0].facts[0]
        assert isinstance(up, LinkUp)
        assert up.protocol == default


# 25


async def test_q25_newer_socket_wins_and_the_older_one_spoils_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        old = await door.station()
        await goes_on(old)
        pending = asyncio.create_task(door.server.calls.send("SE-1", "Reset", {"type": "Soft"}, actor="t"))
        assert (await answer(old))[2] == "Reset"
        async with door.station() as new:
            await goes_on(new)
            assert (await pending).status is CommandStatus.LOST
            async with asyncio.timeout(10):
                await old.wait_closed()
            await goes_on(new)
            assert door.server.connected == {"SE-1"}
            waiting = asyncio.create_task(door.server.calls.send("SE-1", "Reset", {"type": "Soft"}, actor="t"))
            call = await answer(new)
            await new.send(json.dumps([3, call[1], {"status": "Accepted"}]))
            assert (await waiting).status is CommandStatus.ACCEPTED


def test_q25_end_of_an_older_link_does_not_take_the_station_offline(desk: Desk) -> None:
    old, new = Speaker(), Speaker()
    old.up(0)
    new.up(10)
    old.down(20)
    desk.record(old, new)  # in whatever order they were logged
    assert desk.station().connected
    new.down(30)
    desk.record(new)
    assert not desk.station().connected


# 26


async def test_q26_reconnect_without_a_boot_and_messages_before_it_are_served(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        for _ in range(2):
            async with door.station() as link:
                assert (await ask(link, "StartTransaction", START))[2]["transactionId"] > 0
        async with door.station() as link:
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            assert (await ask(link, "StatusNotification", status))[0] == 3
            assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Accepted"


async def test_q26_identity_in_any_spelling_is_one_station(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="reject") as door:
        for path in ("SE-1", "SE-1/", "SE%2D1", "ocpp/SE-1", "se-1", "Se-1/"):
            async with door.station(path) as link:
                assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Accepted", path
                assert door.server.connected == {"SE-1"}, path


# 27


async def test_q27_fleet_that_comes_at_once_is_let_in_and_beats_apart(tmp_path: Path) -> None:
    async with served(tmp_path, unknown_stations="accept") as door:

        async def come(number: int) -> int:
            async with door.station(f"S{number}") as link:
                interval: int = (await ask(link, "BootNotification", BOOT))[2]["interval"]
                await goes_on(link)
                return interval

        intervals = await asyncio.gather(*(come(number) for number in range(100)))
        assert len(set(intervals)) > 10
        assert all(270 <= interval <= 300 for interval in intervals)


async def test_q27_station_that_floods_starves_nobody(tmp_path: Path) -> None:
    async with (
        served(tmp_path, unknown_stations="accept") as door,
        door.station("LOUD") as loud,
        door.station("QUIET") as quiet,
    ):
        for number in range(500):
            await loud.send(json.dumps([2, str(number), "Heartbeat", {}]))
        await goes_on(quiet)
        assert (await answer(loud))[1] == "0"


async def test_q27_refused_station_may_come_again(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        for _ in range(3):
            async with door.station("STRANGER") as link:
                assert (await ask(link, "BootNotification", BOOT))[2]["status"] == "Pending"


# 28


def engine() -> Engine:
    return Engine(
        thresholds={rule.code: {t.name: t.default for t in rule.thresholds} for rule in RULES},
        pseudonymise=lambda tag: tag,
    )


def test_q28_station_that_speaks_while_believed_offline_is_online(desk: Desk) -> None:
    station = Speaker()
    station.up(0)
    station.status("Available", 1)
    station.down(10)
    desk.record(station)
    assert desk.station().state is StationState.OFFLINE
    station.energy(None, 5, 60)
    station.status("Available", 61)
    desk.record(station)
    assert (desk.station().connected, desk.station().state) == (True, StationState.AVAILABLE)


def test_q28_station_that_sends_anything_but_heartbeats_is_not_offline() -> None:
    station, watch = Speaker(), engine()
    station.up(0)
    station.boot(1)
    for minute in range(1, 120):
        station.energy(None, 1000, minute * 60)
    changes = [*watch.observe(station.said), *watch.tick(at(120 * 60))]
    assert [change.finding for change in changes if change.finding] == []


# 29


ODD = {
    '[3,"77",{}]': None,  # an answer to a call never made
    '[4,"77","GenericError","",{}]': None,
    '[2,"8","MakeCoffee",{}]': "8",
    "this is not JSON": None,
    '[2,"9","Heartbeat"]': "9",
}
"""A frame, and the id of its answer."""


async def test_q29_odd_frames_are_answered_or_kept_and_the_talk_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        for text, answered in ODD.items():
            await link.send(text)
            if answered is not None:
                assert (await answer(link))[1] == answered
            await goes_on(link)
        entries = await door.entries(1 + 2 * len(ODD))
        odd = [entry for entry in entries if entry.raw in ODD]
        assert len(odd) == len(ODD)
        assert all(isinstance(entry.facts[0], NonConforming | Quarantined) for entry in odd)


async def test_q29_call_of_a_megabyte_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        payload = {"vendorId": "v", "data": "x" * 1_000_000}
        assert (await ask(link, "DataTransfer", payload, "10"))[:2] == [3, "10"]
        await goes_on(link)


async def test_q29_repeated_message_id_and_calls_without_waiting_are_answered_each(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        for _ in range(2):
            await link.send(json.dumps([2, "1", "StartTransaction", START]))
        await link.send(json.dumps([2, "1", "Heartbeat", {}]))
        first, again, beat = [await answer(link) for _ in range(3)]
        assert first == again
        assert "currentTime" in beat[2]


async def test_q29_call_while_ours_is_pending_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await goes_on(link)
        waiting = asyncio.create_task(door.server.calls.send("SE-1", "Reset", {"type": "Soft"}, actor="t"))
        call = await answer(link)
        await goes_on(link)
        await link.send(json.dumps([3, call[1], {"status": "Accepted"}]))
        assert (await waiting).status is CommandStatus.ACCEPTED


async def test_q29_binary_and_fragmented_frames_are_put_together(tmp_path: Path) -> None:
    async with served(tmp_path) as door, door.station() as link:
        await link.send(b'[2,"1","Heartbeat",{}]')
        assert (await answer(link))[1] == "1"
        await link.send(iter(['[2,"2","Heart', 'beat",', "{}]"]))
        assert (await answer(link))[1] == "2"


async def closed_for(door: Door, opcode: Opcode, data: bytes) -> int | None:
    async with door.station() as link:
        link.transport.write(Frame(opcode, data).serialize(mask=True))
        async with asyncio.timeout(10):
            await link.wait_closed()
        return link.close_code


async def test_q29_broken_text_and_frames_too_long_end_one_connection_alone(tmp_path: Path) -> None:
    async with served(tmp_path, max_frame_bytes=10_000) as door:
        assert await closed_for(door, Opcode.TEXT, b'[2,"1","Heartbeat",{"x":"\xff"}]') == 1007
        assert await closed_for(door, Opcode.TEXT, b"x" * 20_000) == 1009
        async with door.station() as link:
            await goes_on(link)
            reasons = [
                fact.reason
                for entry in await door.entries(6)
                for fact in entry.facts
                if isinstance(fact, LinkDown)
            ]
        assert len(reasons) == 2


def test_q29_no_text_stops_the_reader() -> None:
    station = Speaker()
    said: list[Any] = ["", "[]", "null", '[2,"1"]', "[2,2,2,2]", "[" * 5000, b"\xff\xfe", '{"a":1}', "[9]"]
    for text in said:
        station.text(text)
    assert len(station.said) == len(said)
