"""What the collector asks by itself: connectors that nobody knows of after a gap, stations that never booted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.typing import Subprotocol

from collector.asking import Asker, is_deaf, questions
from collector.link import Link
from collector.ocpp import commands
from collector.ocpp.action import Policy
from collector.ocpp.evse import connector_number
from laddvakt.domain.commands import CallErrorDetail, CommandResult, CommandStatus
from laddvakt.domain.errors import StoreUnavailableError
from laddvakt.domain.stations import Connector, ConnectorState, Station, place_of
from laddvakt.eventlog.tasks import cancel_and_wait
from tests.support.collecting import Door, answer, ask, served

AVAILABLE = ConnectorState.AVAILABLE


def station(*states: ConnectorState, **more: Any) -> Station:
    connectors = tuple(Connector(connector_id=number, status=state) for number, state in enumerate(states))
    return Station(**{"station_id": "SE-1", "vendor": "Acme", "model": "One", "connectors": connectors, **more})


# What is asked


def test_quirk_23_only_unknown_connectors_are_asked_for() -> None:
    (question,) = questions(station(ConnectorState.UNKNOWN, AVAILABLE, ConnectorState.UNKNOWN), "ocpp1.6")
    assert question == ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 2})


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
def test_connectors_of_2x_are_named_by_their_evse(protocol: str) -> None:
    connectors = (Connector(connector_id=2), Connector(connector_id=1002))
    asked = questions(station(connectors=connectors), protocol)
    assert [question.payload["evse"] for question in asked] == [
        {"id": 2, "connectorId": 1},
        {"id": 1, "connectorId": 2},
    ]


def test_station_that_never_said_what_it_is_is_asked_to() -> None:
    assert [q.payload for q in questions(station(vendor=None, model=None), "ocpp1.6")] == [
        {"requestedMessage": "BootNotification"}
    ]
    assert questions(station(AVAILABLE, AVAILABLE), "ocpp1.6") == []


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_every_question_fits_its_schema(protocol: str) -> None:
    asked = questions(station(ConnectorState.UNKNOWN, ConnectorState.UNKNOWN, vendor=None, model=None), protocol)
    assert [commands.problems(protocol, *question) for question in asked] == [(), ()]


@given(st.integers(1, 999), st.integers(1, 999))
def test_place_of_a_number_is_where_it_came_from(evse_id: int, connector_id: int) -> None:
    assert place_of(connector_number(evse_id, connector_id)) == (evse_id, connector_id)


@pytest.mark.parametrize(
    ("result", "deaf"),
    [
        ({"status": CommandStatus.ACCEPTED, "answer": {"status": "Accepted"}}, False),
        ({"status": CommandStatus.REJECTED, "answer": {"status": "Rejected"}}, False),
        ({"status": CommandStatus.REJECTED, "answer": {"status": "NotImplemented"}}, True),
        ({"status": CommandStatus.CALLERROR, "error": CallErrorDetail(code="NotSupported")}, True),
        ({"status": CommandStatus.CALLERROR, "error": CallErrorDetail(code="InternalError")}, False),
        ({"status": CommandStatus.TIMEOUT}, False),
    ],
)
def test_station_is_deaf_when_it_does_not_know_the_question(result: dict[str, Any], deaf: bool) -> None:
    assert is_deaf(CommandResult(command_id="c", station_id="SE-1", action="TriggerMessage", **result)) is deaf


# When it is asked


@asynccontextmanager
async def asking(folder: Path, *states: ConnectorState) -> AsyncIterator[Door]:
    """A door whose stations are asked at once. The records know SE-1 as given."""
    async with served(folder) as door:
        with door.records.begin() as work:
            work.stations.save([station(*states, registered=True)])
        asker = Asker(door.server.calls, door.records, settle_s=0, jitter=lambda: 0.0)
        door.server.calls.watchers.append(asker.watch)
        running = asyncio.create_task(asker.run())
        try:
            yield door
        finally:
            await cancel_and_wait([running])


async def test_settled_station_is_asked_for_each_unknown_connector(tmp_path: Path) -> None:
    unknown = ConnectorState.UNKNOWN
    async with asking(tmp_path, AVAILABLE, unknown, unknown) as door, door.station() as link:
        for connector_id in (1, 2):
            call = await answer(link)
            assert call[2:] == [
                "TriggerMessage",
                {"requestedMessage": "StatusNotification", "connectorId": connector_id},
            ]
            await link.send(json.dumps([3, call[1], {"status": "Accepted"}]))
        assert (await ask(link, "Heartbeat", {}, "h"))[1] == "h"  # and nothing else
        sent = [fact for entry in await door.entries(6) for fact in entry.facts if hasattr(fact, "actor")]
        assert {fact.actor for fact in sent} == {"collector"}


async def test_station_that_does_not_know_triggers_is_not_asked_again(tmp_path: Path) -> None:
    unknown = ConnectorState.UNKNOWN
    async with asking(tmp_path, AVAILABLE, unknown, unknown) as door:
        async with door.station() as link:
            call = await answer(link)
            await link.send(json.dumps([4, call[1], "NotImplemented", "", {}]))
            assert (await ask(link, "Heartbeat", {}, "h"))[1] == "h"
        async with door.station() as link:
            for number in range(20):
                assert (await ask(link, "Heartbeat", {}, f"h{number}"))[1] == f"h{number}"


async def test_station_that_the_records_do_not_know_is_let_be(tmp_path: Path) -> None:
    offered = [Subprotocol("ocpp1.6")]
    async with asking(tmp_path, AVAILABLE) as door, door.station("SE-9", subprotocols=offered) as link:
        for number in range(20):
            assert (await ask(link, "Heartbeat", {}, f"h{number}"))[1] == f"h{number}"


async def test_stations_that_said_everything_do_not_keep_a_silent_one_waiting(tmp_path: Path) -> None:
    async with asking(tmp_path, AVAILABLE, ConnectorState.UNKNOWN) as door:
        with door.records.begin() as work:
            talkers = [f"T-{number}" for number in range(150)]
            work.stations.save(station(AVAILABLE, station_id=name, registered=True) for name in talkers)
        door.registry.load()
        for name in talkers:
            link = Link(name, "ocpp1.6", Policy())
            door.server.calls.attach(link, lambda text: None)
        async with door.station() as silent, asyncio.timeout(5):  # 150 at ten a second would take 15
            assert (await answer(silent))[3] == {"requestedMessage": "StatusNotification", "connectorId": 1}


async def test_records_that_are_away_keep_the_asker_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asking(tmp_path, AVAILABLE, ConnectorState.UNKNOWN) as door:
        tried = asyncio.Event()
        loop = asyncio.get_running_loop()
        read = door.records.read

        def away() -> Any:
            loop.call_soon_threadsafe(tried.set)
            raise StoreUnavailableError("away")

        monkeypatch.setattr(door.records, "read", away)
        async with door.station() as link:
            await ask(link, "Heartbeat", {})
            await asyncio.wait_for(tried.wait(), 10)
        monkeypatch.setattr(door.records, "read", read)
        async with door.station() as link:
            assert (await answer(link))[2] == "TriggerMessage"
