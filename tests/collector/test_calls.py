"""Commands on real sockets: from whoever asks, in any process, to the station and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from collector.ocpp import commands
from laddvakt.domain.commands import CommandRequest, CommandResult, CommandStatus
from laddvakt.domain.entries import EntryKind
from laddvakt.domain.facts import CommandAnswered, CommandSent
from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import MAX_PAYLOAD_BYTES
from tests.support.collecting import Door, answer, ask, asleep, served
from tests.support.eventlog import running_log, running_server, settings_for
from tests.support.smallest import smallest_request, smallest_response
from tests.support.waiting import eventually

RESET = {"type": "Soft"}


async def sent(door: Door, action: str = "Reset", payload: dict[str, Any] | None = None, **more: Any) -> Any:
    return await door.server.calls.send("SE-1", action, RESET if payload is None else payload, actor="t", **more)


@asynccontextmanager
async def station(door: Door, **options: Any) -> AsyncIterator[ClientConnection]:
    """Connected, and known to the collector."""
    async with door.station(**options) as link:
        await ask(link, "Heartbeat", {})
        yield link


async def test_command_reaches_the_station_and_its_answer_comes_back(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door) as link:
        waiting = asyncio.create_task(sent(door))
        kind, unique_id, action, payload = await answer(link)
        assert (kind, action, payload) == (2, "Reset", RESET)
        await link.send(json.dumps([3, unique_id, {"status": "Accepted"}]))
        result = await waiting
        assert (result.status, result.answer) == (CommandStatus.ACCEPTED, {"status": "Accepted"})
        entries = await door.entries(4)
        assert [entry.kind for entry in entries[2:]] == [EntryKind.OCPP_OUT, EntryKind.OCPP_IN]
        assert [type(entry.facts[0]) for entry in entries[2:]] == [CommandSent, CommandAnswered]


async def test_station_has_one_command_at_a_time(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door) as link:
        both = [asyncio.create_task(sent(door)), asyncio.create_task(sent(door, "ClearCache", {}))]
        first = await answer(link)
        assert first[2] == "Reset"
        assert (await ask(link, "Heartbeat", {}, "h"))[1] == "h"  # nothing of ours came between
        await link.send(json.dumps([3, first[1], {"status": "Accepted"}]))
        second = await answer(link)
        assert second[2] == "ClearCache"
        await link.send(json.dumps([4, second[1], "NotSupported", "no", {}]))
        assert [task.status for task in await asyncio.gather(*both)] == ["accepted", "callerror"]


async def test_silence_is_a_timeout_and_the_next_command_goes_out(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door) as link:
        silent = asyncio.create_task(sent(door, timeout_s=0.2))
        unanswered = await answer(link)
        assert (await silent).status is CommandStatus.TIMEOUT
        following = asyncio.create_task(sent(door, "ClearCache", {}))
        second = await answer(link)
        await link.send(json.dumps([3, unanswered[1], {"status": "Accepted"}]))
        await link.send(json.dumps([3, second[1], {"status": "Accepted"}]))
        assert (await following).status is CommandStatus.ACCEPTED
        said = [f for e in await door.entries(7) for f in e.facts if isinstance(f, CommandAnswered)]
        assert [(f.action, f.status, f.late) for f in said] == [
            ("Reset", "timeout", False),
            ("Reset", "accepted", True),
            ("ClearCache", "accepted", False),
        ]


async def test_line_is_full_for_one_more(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door):
        waiting = [asyncio.create_task(sent(door, timeout_s=0.5))]
        waiting += [asyncio.create_task(sent(door, timeout_s=0.2)) for _ in range(commands.MAX_WAITING)]
        await asyncio.sleep(0)
        assert (await sent(door)).status is CommandStatus.BUSY
        results = [result.status for result in await asyncio.gather(*waiting)]
        assert results == [CommandStatus.TIMEOUT] + [CommandStatus.NOT_SENT] * commands.MAX_WAITING


async def test_end_of_the_connection_fails_what_waits(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        async with station(door) as link:
            waiting = [asyncio.create_task(sent(door)) for _ in range(2)]
            await answer(link)
        assert [result.status for result in await asyncio.gather(*waiting)] == ["lost", "not_sent"]
        entries = await door.entries(5)
        assert entries[3].facts[0].status is CommandStatus.LOST
        assert entries[4].kind is EntryKind.DISCONNECTED
        assert (await sent(door)).status is CommandStatus.NOT_CONNECTED


async def test_quirk_25_newer_connection_takes_over_and_calls_of_the_old_one_fail(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door) as old:
        lost = asyncio.create_task(sent(door))
        await answer(old)
        async with station(door) as new:
            assert (await lost).status is CommandStatus.LOST
            await asyncio.wait_for(old.wait_closed(), 10)
            waiting = asyncio.create_task(sent(door))
            call = await answer(new)
            await new.send(json.dumps([3, call[1], {"status": "Accepted"}]))
            assert (await waiting).status is CommandStatus.ACCEPTED


async def test_wrong_payload_is_never_sent(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door) as link:
        result = await sent(door, "Reset", {"type": "Warm"})
        assert (result.status, result.problems) == (
            CommandStatus.INVALID,
            ('type: "Warm" is not one of "Hard" or "Soft"',),
        )
        assert (await ask(link, "Heartbeat", {}, "h"))[1] == "h"


async def test_nothing_is_sent_before_the_log_has_it(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door) as link:
        with asleep(door.nats):
            waiting = asyncio.create_task(sent(door))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await link.recv()
        call = await answer(link)
        await link.send(json.dumps([3, call[1], {"status": "Accepted"}]))
        assert (await waiting).status is CommandStatus.ACCEPTED


async def test_command_that_the_log_kept_waiting_is_not_sent_late(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door) as link:
        with asleep(door.nats):
            assert (await sent(door, timeout_s=0.2)).status is CommandStatus.NOT_SENT
        said = [f for e in await door.entries(4) for f in e.facts if isinstance(f, CommandAnswered)]
        assert [fact.status for fact in said] == [CommandStatus.NOT_SENT]
        assert (await ask(link, "Heartbeat", {}, "h"))[1] == "h"


async def test_command_too_large_for_the_log_is_not_sent(tmp_path: Path) -> None:
    async with served(tmp_path) as door, station(door) as link:
        result = await sent(door, "DataTransfer", {"vendorId": "x", "data": "x" * MAX_PAYLOAD_BYTES})
        assert result.status is CommandStatus.NOT_SENT
        waiting = asyncio.create_task(sent(door))
        call = await answer(link)
        await link.send(json.dumps([3, call[1], {"status": "Accepted"}]))
        assert (await waiting).status is CommandStatus.ACCEPTED


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_every_command_of_a_version_goes_out_and_comes_back(tmp_path: Path, version: str) -> None:
    async with served(tmp_path) as door, station(door, subprotocols=[Subprotocol(version)]) as link:
        for action in sorted(commands.actions(version)):
            payload = smallest_request(version, action)
            waiting = asyncio.create_task(sent(door, action, payload))
            call = await answer(link)
            assert call[2:] == [action, payload]
            reply = smallest_response(version, action)
            await link.send(json.dumps([3, call[1], reply]))
            assert (await waiting).answer == reply


# Between processes


def request(**more: Any) -> CommandRequest:
    given = {"command_id": "r1", "station_id": "SE-1", "action": "Reset", "payload": RESET, "actor": "t"}
    return CommandRequest(**{**given, **more})


async def test_command_finds_the_collector_that_holds_the_station(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        other = await EventLog.connect(door.log._settings, name="other")
        stops = [await door.log.commands.serve(door.server.calls)]
        stops.append(await other.commands.serve(_Nobody()))
        try:
            async with station(door) as link:
                waiting = asyncio.create_task(other.commands.ask(request()))
                call = await answer(link)
                assert call[1] == "r1"
                await link.send(json.dumps([3, "r1", {"status": "Rejected"}]))
                assert (await waiting).status is CommandStatus.REJECTED
            await eventually(lambda: not door.server.calls.holds("SE-1"))
            assert (await other.commands.ask(request())).status is CommandStatus.NOT_CONNECTED
        finally:
            for stop in stops:
                await stop()
            await other.close()


async def test_connection_that_is_dead_does_not_answer_for_the_living_one(tmp_path: Path) -> None:
    """A station that came back to another collector is held twice until its old connection is known to be dead."""
    async with running_server(settings := settings_for(tmp_path)):
        logs = [await EventLog.connect(settings, name=f"test{number}") for number in range(3)]
        dead, living = _Holder(CommandStatus.LOST), _Holder(CommandStatus.ACCEPTED)
        stops = [await logs[0].commands.serve(dead), await logs[1].commands.serve(living)]
        try:
            asked = asyncio.create_task(logs[2].commands.ask(request()))
            await asyncio.wait_for(living.asked.wait(), 10)
            dead.told.set()
            await asyncio.wait_for(dead.done.wait(), 10)
            living.told.set()
            assert (await asked).status is CommandStatus.ACCEPTED
        finally:
            for stop in stops:
                await stop()
            for log in logs:
                await log.close()


async def test_collector_that_dies_with_a_command_is_a_timeout(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("laddvakt.eventlog.commands._SLACK_S", 0.1)
    async with running_log(settings_for(tmp_path)) as log:
        stop = await log.commands.serve(_Holder(CommandStatus.ACCEPTED, timeout_s=0.1))
        try:
            result = await log.commands.ask(request())
        finally:
            await stop()
        assert result.status is CommandStatus.TIMEOUT


async def test_no_collector_at_all_is_told_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        async with asyncio.timeout(0.9):
            result = await door.log.commands.ask(request())
        assert (result.status, result.detail) == (CommandStatus.NOT_CONNECTED, "no collector is running")


async def test_payload_that_cannot_travel_is_invalid(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        result = await door.log.commands.ask(request(payload={"type": "\ud800"}))
        assert result.status is CommandStatus.INVALID


class _Holder:
    """A collector that holds every station and tells `status` when it is told to."""

    def __init__(self, status: CommandStatus, timeout_s: float = 30) -> None:
        self.status = status
        self.timeout_s = timeout_s
        self.asked, self.told, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def holds(self, station_id: str) -> bool:
        return True

    def timeout_of(self, request: CommandRequest) -> float:
        return self.timeout_s

    async def handle(self, request: CommandRequest) -> CommandResult:
        self.asked.set()
        await self.told.wait()
        self.done.set()
        return CommandResult(
            command_id=request.command_id, station_id="SE-1", action=request.action, status=self.status
        )


class _Nobody:
    """A collector without stations."""

    def holds(self, station_id: str) -> bool:
        return False

    def timeout_of(self, request: CommandRequest) -> float:
        raise AssertionError

    async def handle(self, request: CommandRequest) -> Any:
        raise AssertionError
