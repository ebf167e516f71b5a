"""The websocket loop against a real server: it connects, survives cuts, keeps what it promised."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from laddvakt.clock import utc_now
from simulator.client import StationClient
from simulator.drivers import Habits, Population
from simulator.spec import StationSpec
from simulator.station import Acknowledged, Output, Station, StationOptions
from tests.support.central import AC_ONE
from tests.support.csms import Csms
from tests.support.waiting import eventually


def now_s() -> float:
    return utc_now().timestamp()


def make(spec: StationSpec = AC_ONE) -> Station:
    import random

    return Station(
        spec,
        seed=1,
        now_s=now_s(),
        population=Population(("04AABBCCDDEE01", "04AABBCCDDEE02"), random.Random(1)),
        options=StationOptions(
            habits=Habits(busy_at_start=1.0, speed=20, session_s=(40, 60)), meter_interval_s=0.2
        ),
    )


@asynccontextmanager
async def running(station: Station, url: str, outputs: list[Output] | None = None) -> AsyncIterator[None]:
    kept = outputs if outputs is not None else []
    client = StationClient(station, url, now=now_s, sink=lambda _, output: kept.append(output))
    task = asyncio.create_task(client.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_it_boots_charges_and_reports_acknowledgements() -> None:
    async def scene() -> None:
        outputs: list[Output] = []
        async with Csms() as csms, running(make(), csms.url, outputs):
            await eventually(lambda: "StopTransaction" in csms.actions(), deadline_s=40)
        assert csms.actions()[0] == "BootNotification"
        acknowledged = [item.unique_id for item in outputs if isinstance(item, Acknowledged)]
        sent = [frame[1] for _, frame in csms.calls]
        assert acknowledged == sent[: len(acknowledged)]
        assert len(sent) - len(acknowledged) <= 1

    asyncio.run(scene())


def test_it_comes_back_after_the_server_cut_it_and_says_how_it_is() -> None:
    async def scene() -> None:
        async with Csms() as csms, running(make(), csms.url):
            await eventually(lambda: len(csms.actions()) >= 3)
            csms.drop()
            await eventually(lambda: len(csms.links) == 2)
            await eventually(lambda: csms.actions().count("StatusNotification") >= 4)
        assert csms.actions().count("BootNotification") == 1

    asyncio.run(scene())


def test_it_waits_for_a_server_that_is_not_there() -> None:
    async def scene() -> None:
        csms = Csms()
        await csms.start()
        await csms.stop()
        async with running(make(), csms.url):
            await asyncio.sleep(0.1)
            await csms.start()
            await eventually(lambda: "BootNotification" in csms.actions(), deadline_s=20)
            await csms.stop()

    asyncio.run(scene())


def test_a_start_that_was_never_answered_is_said_again_after_the_cut() -> None:
    async def scene() -> None:
        async with Csms() as csms, running(make(), csms.url):
            await eventually(lambda: "Authorize" in csms.actions() or "StartTransaction" in csms.actions())
            csms.silent = True
            answered = len(csms.calls)
            kept = {"StartTransaction", "MeterValues", "StopTransaction"}
            await eventually(lambda: kept.intersection(csms.actions()[answered:]))
            unanswered = next(frame for _, frame in csms.calls[answered:] if frame[2] in kept)
            csms.silent = False
            csms.drop()
            await eventually(lambda: [frame for _, frame in csms.calls].count(unanswered) == 2, deadline_s=20)

    asyncio.run(scene())


def test_without_a_network_it_hangs_up_and_stays_away() -> None:
    async def scene() -> None:
        station = make()
        async with Csms() as csms, running(station, csms.url):
            await eventually(lambda: station.online)
            station.network = False
            await eventually(lambda: not station.online)
            assert len(csms.links) == 1
            station.network = True
            await eventually(lambda: len(csms.links) == 2)

    asyncio.run(scene())


def test_nonsense_from_the_server_is_passed_over() -> None:
    async def scene() -> None:
        station = make()
        async with Csms() as csms, running(station, csms.url):
            await eventually(lambda: station.online)
            for nonsense in ("not json", b"\xff\x00", "[]", "17"):
                await csms.links[0][1].send(nonsense)
            before = len(csms.calls)
            await eventually(lambda: len(csms.calls) > before, deadline_s=40)
        assert len(csms.links) == 1

    asyncio.run(scene())


def test_a_password_is_sent_as_http_basic() -> None:
    async def scene() -> None:
        spec = msgspec.structs.replace(AC_ONE, password="pass:word")
        async with Csms() as csms, running(make(spec), csms.url):
            await eventually(lambda: csms.links)
        header = csms.headers[spec.station_id]
        assert header is not None
        assert base64.b64decode(header.removeprefix("Basic ")).decode() == f"{spec.station_id}:pass:word"

    asyncio.run(scene())
