"""The collector's own calls, as a station sees them: one at a time, crossing with the station's, answered late,
oddly or never (OCPP-J 1.6 section 4.1; 2.0.1 and 2.1 part 4 section 4.1)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from collector.ocpp import schemas
from laddvakt.domain.commands import CommandRequest, CommandResult, CommandStatus
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import EventlogSettings, Settings
from tests.conformance.target import Target
from tests.support import servers
from tests.support.rawsocket import TEXT, RawSocket

RESET = {"ocpp1.6": {"type": "Soft"}, "ocpp2.0.1": {"type": "Immediate"}, "ocpp2.1": {"type": "Immediate"}}
each_version = pytest.mark.parametrize("protocol", sorted(RESET))


@pytest.fixture
async def log(own: Target, broker: servers.Nats) -> AsyncIterator[EventLog]:
    """The way by which commands reach collectors."""
    found = await EventLog.connect(Settings(eventlog=EventlogSettings(url=broker.url)), name="conformance")
    yield found
    await found.close()


def ask(
    log: EventLog, protocol: str, number: int = 1, timeout_s: float | None = None
) -> asyncio.Task[CommandResult]:
    request = CommandRequest(
        command_id=f"conf-{number}",
        station_id="CONF-1",
        action="Reset",
        payload=RESET[protocol],
        actor="suite",
        timeout_s=timeout_s,
    )
    return asyncio.create_task(log.commands.ask(request))


async def next_call(station: RawSocket, protocol: str) -> str:
    """The collector's next call, held against the official schema; its id."""
    while (received := await station.receive()).opcode != TEXT:
        pass
    kind, unique_id, action, payload = json.loads(received.text)
    assert kind == 2
    schemas.request_validator(protocol, action).validate(payload)
    assert 0 < len(unique_id) <= 36
    return str(unique_id)


@each_version
async def test_call_is_answered(own: Target, log: EventLog, protocol: str) -> None:
    async with own.station(protocol) as station:
        await station.beat()
        asked = ask(log, protocol)
        unique_id = await next_call(station, protocol)
        await station.send(json.dumps([3, unique_id, {"status": "Accepted"}]))
        assert (await asked).status is CommandStatus.ACCEPTED
        await station.beat()


@each_version
async def test_calls_of_both_sides_may_cross(own: Target, log: EventLog, protocol: str) -> None:
    async with own.station(protocol) as station:
        await station.beat()
        asked = ask(log, protocol)
        unique_id = await next_call(station, protocol)
        await station.beat()
        assert (await station.call("Heartbeat", {}, unique_id))[:2] == [3, unique_id]  # the very id of theirs
        await station.send(json.dumps([4, unique_id, "NotSupported", "no", {}]))
        assert (await asked).status is CommandStatus.CALLERROR
        await station.beat()


@each_version
async def test_second_call_waits_for_the_answer_to_the_first(own: Target, log: EventLog, protocol: str) -> None:
    async with own.station(protocol) as station:
        await station.beat()
        first = ask(log, protocol, 1)
        one = await next_call(station, protocol)
        second = ask(log, protocol, 2)
        for _ in range(3):
            await station.beat()  # nothing else comes meanwhile
        await station.send(json.dumps([3, one, {"status": "Rejected"}]))
        assert (await first).status is CommandStatus.REJECTED
        two = await next_call(station, protocol)
        assert two != one
        await station.send(json.dumps([3, two, {"status": "Accepted"}]))
        assert (await second).status is CommandStatus.ACCEPTED


@each_version
@pytest.mark.parametrize("answer", [{}, {"status": 5}, {"status": ["Accepted"]}, {"x": "y" * 5000}], ids=str)
async def test_odd_answer_ends_the_call_and_not_the_connection(
    own: Target, log: EventLog, protocol: str, answer: dict[str, Any]
) -> None:
    async with own.station(protocol) as station:
        await station.beat()
        asked = ask(log, protocol)
        unique_id = await next_call(station, protocol)
        text = json.dumps([3, unique_id, answer])
        if protocol == "ocpp2.1":
            assert (await station.say(text))[:2] == [5, unique_id]
        else:
            await station.send(text)
        await asked
        await station.send(text)  # twice: it answers no call any more
        await station.beat()


@each_version
async def test_late_answer_changes_nothing_and_the_next_call_goes_out(
    own: Target, log: EventLog, protocol: str
) -> None:
    async with own.station(protocol) as station:
        await station.beat()
        late = ask(log, protocol, 1, timeout_s=0.2)
        one = await next_call(station, protocol)
        assert (await late).status is CommandStatus.TIMEOUT
        await station.send(json.dumps([3, one, {"status": "Accepted"}]))
        await station.beat()
        asked = ask(log, protocol, 2)
        await station.send(json.dumps([3, await next_call(station, protocol), {"status": "Accepted"}]))
        assert (await asked).status is CommandStatus.ACCEPTED


@each_version
async def test_connection_that_ends_ends_the_call(own: Target, log: EventLog, protocol: str) -> None:
    async with own.station(protocol) as station:
        await station.beat()
        asked = ask(log, protocol)
        await next_call(station, protocol)
        station.hang_up()
        assert (await asked).status is CommandStatus.LOST
