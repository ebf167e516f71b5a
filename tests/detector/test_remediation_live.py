"""The ladder in a running detector: steps go the way of operators' commands, and only while all is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest

from detector import service
from detector.service import Detector
from laddvakt.clock import utc_now
from laddvakt.domain.commands import CommandRequest, CommandResult, CommandStatus
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import Fact, LinkUp, StatusReported, TransactionStarted, TransactionStopped
from laddvakt.domain.stations import ConnectorState, Site, Station
from laddvakt.domain.tickets import Ticket
from laddvakt.domain.times import rfc3339
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import DetectorSettings, RemediationSettings, Settings
from laddvakt.stores.ports import Records, Telemetry
from laddvakt.stores.sql.engine import open_records
from tests.support.eventlog import running_log, settings_for
from tests.support.waiting import eventually


class Collector:
    """Holds every station, and accepts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[CommandRequest] = []

    def holds(self, station_id: str) -> bool:
        return True

    def timeout_of(self, request: CommandRequest) -> float:
        return 5.0

    async def handle(self, request: CommandRequest) -> CommandResult:
        self.asked.append(request)
        return CommandResult(
            command_id=request.command_id,
            station_id=request.station_id,
            action=request.action,
            status=CommandStatus.ACCEPTED,
        )

    def actions(self) -> list[str]:
        return [request.action for request in self.asked]


class Place:
    """A site of two stations, a running detector, and a collector at the other end of the command queue."""

    def __init__(self, records: Records, log: EventLog, collector: Collector) -> None:
        self._records = records
        self._log = log
        self.collector = collector

    async def say(self, *facts: Fact, station_id: str = "SE-1", kind: EntryKind = EntryKind.OCPP_IN) -> None:
        await self._log.appender.append(
            Entry(station_id=station_id, kind=kind, received_at=utc_now(), facts=facts)
        )

    async def connect(self, station_id: str = "SE-1") -> None:
        await self.say(LinkUp(at=utc_now(), protocol="ocpp1.6"), station_id=station_id, kind=EntryKind.CONNECTED)

    async def fault(self, station_id: str = "SE-1") -> None:
        await self.say(status(1, ConnectorState.FAULTED, "InternalError"), station_id=station_id)
        await eventually(lambda: self.ticket(station_id), what="the ticket")

    async def pulse(self) -> None:
        pulse = {"service": "collector", "at": rfc3339(utc_now())}
        await self._log.feed.publish("pulse", msgspec.json.encode(pulse))

    def ticket(self, station_id: str = "SE-1") -> Ticket | None:
        with self._records.read() as work:
            return next((t for t in work.tickets.unsettled() if t.station_id == station_id), None)


def status(connector_id: int, status: ConnectorState, error_code: str = "NoError") -> StatusReported:
    return StatusReported(at=utc_now(), connector_id=connector_id, status=status, error_code=error_code)


def settings_of(folder: Path) -> Settings:
    rules = {"reported_fault": {"persist_s": 0.0, "clear_after_s": 0.0}}
    return settings_for(
        folder,
        detector=DetectorSettings(rules=rules, forest=False),
        remediation=RemediationSettings(sites=("north",), after_s=0, wait_s=1),
    )


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Place]:
    settings = settings_of(folder)
    records = open_records(settings)
    records.migrate()
    with records.begin() as work:
        work.stations.save_sites([Site(site_id="north", name="North")])
        stations = [Station(station_id=s, site_id="north", registered=True) for s in ("SE-1", "SE-2")]
        work.stations.save(stations)
    async with running_log(settings) as log:
        collector = Collector()
        stop = await log.commands.serve(collector)
        heard: list[str] = []
        await log.feed.subscribe(lambda kind, data: heard.append(kind))
        task = asyncio.create_task(Detector(settings, records, cast("Telemetry", None), log).run())
        try:
            await eventually(lambda: "pulse" in heard, what="the running detector")
            yield Place(records, log, collector)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await stop()
    records.close()


async def test_a_step_reaches_the_collector_that_holds_the_station_and_its_answer_the_ticket(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as here:
        await here.connect()
        await here.fault()
        await eventually(lambda: here.collector.actions()[:1] == ["TriggerMessage"], what="the first step")
        (first, *_) = here.collector.asked
        assert (first.station_id, first.actor) == ("SE-1", "remediation")

        def told() -> bool:
            ticket = here.ticket()
            return ticket is not None and ticket.events[-1].detail == "TriggerMessage: accepted."

        await eventually(told, what="what came of it")


async def test_nobody_is_disturbed_who_charges_at_the_other_connector(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.connect()
        now = utc_now()
        start = TransactionStarted(at=now, connector_id=2, transaction_id="7", id_tag="A", meter_start_wh=0)
        await here.say(status(2, ConnectorState.CHARGING), start)
        await here.fault()
        await here.connect("SE-2")
        await here.fault("SE-2")
        await eventually(lambda: here.collector.asked, what="a step at the idle station")
        assert {request.station_id for request in here.collector.asked} == {"SE-2"}
        await here.say(
            status(2, ConnectorState.AVAILABLE),
            TransactionStopped(at=utc_now(), transaction_id="7", meter_stop_wh=1),
        )
        await eventually(lambda: "Reset" in here.collector.actions(), deadline_s=20, what="more steps there")
        assert {request.station_id for request in here.collector.asked} == {"SE-2"}, "the driver stands there yet"


async def test_while_no_collector_is_heard_nothing_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "COLLECTOR_LOST", timedelta(seconds=1))
    async with site(tmp_path) as here:
        await here.pulse()
        await here.connect()
        lost_at = time.monotonic() + 2.5
        await eventually(lambda: time.monotonic() > lost_at, what="the end of the pulse")
        await here.fault()
        opened_at = time.monotonic()
        await eventually(lambda: time.monotonic() > opened_at + 3, what="several looks")
        assert here.collector.asked == []

        async def heard_again() -> bool:
            await here.pulse()
            return bool(here.collector.asked)

        await eventually(heard_again, what="the first step")
