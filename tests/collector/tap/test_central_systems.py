"""Whole central systems behind the tap: one of another maker, and our own collector."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from laddvakt.domain.entries import EntryKind
from laddvakt.domain.facts import TransactionStarted
from tests.support.collecting import OCPP16, ask, logged, served
from tests.support.tap import tapped

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
START = {"connectorId": 1, "idTag": "TAG1", "meterStart": 100, "timestamp": "2026-11-21T10:00:00Z"}


class Existing(ChargePoint):
    """As in the examples of the `ocpp` package (mobilityhouse)."""

    @on("BootNotification")
    def booted(self, **_: object) -> call_result.BootNotification:
        now = datetime.now(UTC).isoformat()
        return call_result.BootNotification(current_time=now, interval=10, status="Accepted")

    @on("StartTransaction")
    def started(self, **_: object) -> call_result.StartTransaction:
        return call_result.StartTransaction(transaction_id=4711, id_tag_info={"status": "Accepted"})


@asynccontextmanager
async def existing() -> AsyncIterator[str]:
    async def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        try:
            await Existing(connection.request.path.strip("/"), connection).start()
        except ConnectionClosed:
            return

    async with serve(talk, "127.0.0.1", 0, subprotocols=OCPP16) as server:  # offers compression
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def test_the_ocpp_packages_central_system_serves_through_the_tap(tmp_path: Path) -> None:
    async with existing() as url, tapped(tmp_path, url) as tap:
        async with connect(f"ws://127.0.0.1:{tap.port}/SE-1", subprotocols=OCPP16) as link:
            assert link.response is not None
            assert "permessage-deflate" in link.response.headers["Sec-WebSocket-Extensions"]
            assert (await ask(link, "BootNotification", BOOT, "1"))[2]["status"] == "Accepted"
            assert (await ask(link, "StartTransaction", START, "2"))[2]["transactionId"] == 4711
        assert tap.log is not None
        found = await logged(tap.log, lambda all_: len(all_) >= 4)
    started = found[2].facts[0]
    assert isinstance(started, TransactionStarted)
    assert started.transaction_id == "4711"
    assert json.loads(found[2].raw)[2] == "StartTransaction"


async def test_our_own_collector_serves_through_the_tap(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "tap").mkdir()
    async with served(tmp_path / "own", security_profile=1) as door, tapped(tmp_path / "tap", door.url) as tap:
        assert tap.log is not None
        right = {"Authorization": "Basic U0UtMTpwYXNzLTE="}
        url = f"ws://127.0.0.1:{tap.port}/ocpp/SE-1"
        async with connect(url, subprotocols=OCPP16, additional_headers=right) as link:
            await ask(link, "BootNotification", BOOT, "1")
            start = await ask(link, "StartTransaction", START, "2")
        own = await door.entries(4)
        seen = await logged(tap.log, lambda all_: len(all_) >= 4)
    assert [(e.kind, e.raw, e.reply) for e in seen] == [(e.kind, e.raw, e.reply) for e in own]
    assert seen[2].kind is EntryKind.OCPP_IN
    assert isinstance(seen[2].facts[0], TransactionStarted)
    assert seen[2].facts[0].transaction_id == str(start[2]["transactionId"])
