"""Which collector holds which station, told and asked over a real NATS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog import holders as holders_module
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import Settings
from tests.support.eventlog import running_server, settings_for
from tests.support.stations import T0
from tests.support.waiting import eventually


class Collector:
    """Holds what it was told to, and remembers what others took."""

    def __init__(self, *station_ids: str) -> None:
        self.station_ids = set(station_ids)
        self.heard: list[tuple[str, datetime]] = []

    def holds(self, station_id: str) -> bool:
        return station_id in self.station_ids

    def taken(self, station_id: str, since: datetime) -> None:
        self.heard.append((station_id, since))


@asynccontextmanager
async def among(settings: Settings, *collectors: Collector) -> AsyncIterator[list[EventLog]]:
    """Each collector with its own connection."""
    async with AsyncExitStack() as stack:
        logs = []
        for number, collector in enumerate(collectors):
            log = await EventLog.connect(settings, name=f"test{number}")
            stack.push_async_callback(log.close)
            stack.push_async_callback(await log.holders.serve(collector))
            await log._client.flush()  # the server knows of it
            logs.append(log)
        yield logs


async def test_the_others_are_told_and_not_oneself(tmp_path: Path) -> None:
    one, two = Collector(), Collector()
    settings = settings_for(tmp_path)
    async with running_server(settings), among(settings, one, two) as (log, other):
        await log.holders.tell("SE-1", T0)
        await other.holders.tell("SE-2", T0)
        await eventually(lambda: one.heard and two.heard)
        assert two.heard == [("SE-1", T0)]
        assert one.heard == [("SE-2", T0)]


async def test_all_are_asked_who_holds_a_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders_module, "_AT_ONCE", 2)
    monkeypatch.setattr(holders_module, "_ANSWERS_WITHIN_S", 0.3)
    settings = settings_for(tmp_path)
    async with running_server(settings), among(settings, Collector("A", "B"), Collector("C")) as (log, _):
        assert await log.holders.held(["A", "X", "C", "Y", "Z"]) == {"A", "C"}
        assert await log.holders.held([]) == set()


async def test_whoever_has_all_answers_waits_for_no_more(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    async with running_server(settings), among(settings, Collector("A"), Collector("B")) as (log, _):
        async with asyncio.timeout(2):
            assert await log.holders.held(["A", "B"]) == {"A", "B"}


async def test_without_nats_nothing_is_told_and_asking_is_an_error(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    async with running_server(settings) as server, among(settings, Collector("A")) as (log,):
        await server.stop()
        await eventually(lambda: not log.connected)
        await log.holders.tell("SE-1", T0)
        await log.close()
        with pytest.raises(EventLogError, match="cannot be asked"):
            await log.holders.held(["A"])


async def test_what_is_no_message_of_ours_is_passed_over(tmp_path: Path) -> None:
    one = Collector("A")
    settings = settings_for(tmp_path)
    async with running_server(settings), among(settings, one, Collector()) as (_, other):
        for subject in ("collectors.taken", "collectors.whose"):
            await other._client.publish(subject, b"{")
        await other.holders.tell("SE-1", T0)
        await eventually(lambda: one.heard == [("SE-1", T0)])
