"""What OCPP 2.x stations are told of costs: what is known, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.typing import Subprotocol

from collector.calls import Calls
from collector.costs import Costs
from collector.link import Link
from collector.ocpp import schemas
from collector.ocpp.action import Policy
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.eventlog.tasks import cancel_and_wait
from tests.support.collecting import answer, ask, served
from tests.support.records import NOON, cost
from tests.support.stations import Speaker, stamp
from tests.support.waiting import eventually

V2 = ("ocpp2.0.1", "ocpp2.1")


def session(excl_vat: str | None = "10", vat: str = "2.5", currency: str = "SEK", **more: Any) -> bytes:
    given: dict[str, Any] = {
        "session_id": "S-1",
        "station_id": "SE-1",
        "connector_id": 1,
        "transaction_id": "T-1",
        "started_at": NOON,
        "event_numbers": "0-1",
        "cost": None if excl_vat is None else cost(excl_vat, vat, currency),
    }
    return msgspec.json.encode(Session(**{**given, **more}))


async def _nothing(handler: Callable[[str, bytes], None]) -> Any:
    async def stop() -> None:
        """Nothing was begun."""

    return stop


@pytest.fixture
def costs() -> Costs:
    """Of a collector that holds SE-1."""
    calls = Calls(lambda entry: asyncio.Future(), lambda: NOON, 30)
    calls.attach(Link("SE-1", "ocpp2.0.1", Policy()), lambda text: None)
    return Costs(calls, _nothing, 10)


# What is known


def test_running_cost_is_told_while_it_charges_and_the_final_one_at_the_end(costs: Costs) -> None:
    costs.hear("session", session())
    assert costs.total("SE-1", "T-1", False) == 12.5
    assert costs.total("SE-1", "T-1", True) is None  # the end is not priced yet
    costs.hear("session", session("20", state=SessionState.ENDED, ended_at=NOON + timedelta(hours=1)))
    assert costs.total("SE-1", "T-1", True) == 22.5


@pytest.mark.parametrize(
    "more",
    [
        {"cost": None},
        {"quality": Quality.SUSPECT},
        {"event_numbers": None},
        {"station_id": "SE-2"},
        {"transaction_id": "T-2"},
    ],
    ids=["no-tariff", "suspect", "ocpp-1.6", "held-elsewhere", "another"],
)
def test_what_is_not_known_is_not_told(costs: Costs, more: dict[str, Any]) -> None:
    costs.hear("session", session(**more))
    assert costs.total("SE-1", "T-1", False) is None


def test_cost_that_comes_into_doubt_is_told_no_more(costs: Costs) -> None:
    costs.hear("session", session())
    costs.hear("session", session(quality=Quality.SUSPECT))
    assert costs.total("SE-1", "T-1", False) is None


@pytest.mark.parametrize(("currency", "total"), [("SEK", 12.35), ("JPY", 12.0), ("KWD", 12.346)])
def test_total_has_the_decimals_of_its_currency(costs: Costs, currency: str, total: float) -> None:
    costs.hear("session", session("10.3456", "2", currency))
    assert costs.total("SE-1", "T-1", False) == total


@pytest.mark.parametrize("data", [b"", b"{}", b'{"station_id": 1}', b"\xff"])
def test_feed_that_cannot_be_read_does_no_harm(costs: Costs, data: bytes) -> None:
    costs.hear("session", data)
    costs.hear("station", b"{}")
    assert costs.total("SE-1", "T-1", False) is None


# In the answer to an event


@pytest.mark.parametrize("protocol", V2)
@pytest.mark.parametrize(
    ("event", "expected"),
    [("Started", None), ("Updated", 12.5), ("Ended", 0.0)],
)
def test_total_cost_is_answered_to_what_goes_on_or_ends(protocol: str, event: str, expected: float | None) -> None:
    policy = Policy(total_cost=lambda station_id, transaction_id, ended: 0.0 if ended else 12.5)
    payload = {
        "eventType": event,
        "timestamp": stamp(0),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": 1,
        "transactionInfo": {"transactionId": "T-1"},
    }
    reply = Speaker(protocol=protocol, policy=policy).call("TransactionEvent", payload)[2]
    assert reply.get("totalCost") == expected
    schemas.response_validator(protocol, "TransactionEvent").validate(reply)


# CostUpdated


def test_update_is_due_when_the_cost_changed_and_not_more_often(costs: Costs) -> None:
    assert costs.due(0) == []
    costs.hear("session", session())
    assert costs.due(0) == [("SE-1", "T-1", 12.5)]
    assert costs.due(20) == []  # nothing new
    costs.hear("session", session("20"))
    assert costs.due(25) == [("SE-1", "T-1", 22.5)]
    costs.hear("session", session("30"))
    assert costs.due(30) == []  # too soon
    assert costs.due(35) == [("SE-1", "T-1", 32.5)]
    costs.hear("session", session("40", state=SessionState.ENDED))
    assert costs.due(100) == []


def test_updates_of_many_stations_are_spread(costs: Costs) -> None:
    for number in range(50):
        costs.hear("session", session(transaction_id=f"T-{number}"))
    told = [len(costs.due(second)) for second in range(4)]
    assert told == [20, 20, 10, 0]


async def test_station_is_told_over_its_own_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        costs = Costs(door.server.calls, door.log.feed.subscribe, 0.1)
        door.server.calls.watchers.append(costs.watch)
        door.registry.total_cost = costs.total
        running = asyncio.create_task(costs.run())
        try:
            async with door.station(subprotocols=[Subprotocol("ocpp2.0.1")]) as link:
                await ask(link, "Heartbeat", {})

                async def heard() -> bool:
                    await door.log.feed.publish("session", session())
                    return costs.total("SE-1", "T-1", False) is not None

                await eventually(heard, what="the cost on the feed")
                call = await answer(link)
                assert call[2:] == ["CostUpdated", {"totalCost": 12.5, "transactionId": "T-1"}]
                await link.send(json.dumps([4, call[1], "NotSupported", "", {}]))
                await eventually(lambda: costs._deaf == {"SE-1"})
                await door.log.feed.publish("session", session("20"))
                await eventually(lambda: costs.total("SE-1", "T-1", False) == 22.5)
                assert costs.due(10**9) == []
        finally:
            await cancel_and_wait([running])


async def test_feed_is_left_alone_while_only_16_stations_are_there(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        costs = Costs(door.server.calls, door.log.feed.subscribe, 0)
        door.server.calls.watchers.append(costs.watch)
        async with door.station() as link:
            await ask(link, "Heartbeat", {})
            assert not costs._wanted.is_set()
