"""The running detector on a real log and real records: quick, exact, and resumed where it was killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from detector import service
from detector.features import Span
from detector.models import keeper
from detector.models.watch import ModelKey, ModelWatch
from detector.service import CONSUMER, Detector, ReplayDetector
from laddvakt.clock import utc_now
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.facts import Fact, Measured, Reading, StatusReported, TransactionStarted, TransactionStopped
from laddvakt.domain.stations import ConnectorState, Site, Station
from laddvakt.domain.tickets import Ticket, TicketAction, TicketEvent, TicketState, apply_event
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import DetectorSettings, Settings
from laddvakt.stores.ports import Records, Telemetry
from laddvakt.stores.sql.engine import open_records
from tests.support.charging import Fleet
from tests.support.detector import START, Story
from tests.support.eventlog import running_log, settings_for
from tests.support.waiting import eventually

NO_TELEMETRY = cast("Telemetry", None)  # detection does not read it


def _settings(folder: Path, **rules: dict[str, float]) -> Settings:
    return settings_for(folder, detector=DetectorSettings(rules=rules, forest=False))


@pytest.fixture
def records(tmp_path: Path) -> Any:
    opened = open_records(_settings(tmp_path))
    opened.migrate()
    with opened.begin() as work:
        work.stations.save_sites([Site(site_id="site-1", name="North")])
        work.stations.save([Station(station_id="SE-1", site_id="site-1", registered=True)])
    yield opened
    opened.close()


@asynccontextmanager
async def running(settings: Settings, records: Records, log: EventLog) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(Detector(settings, records, NO_TELEMETRY, log).run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def say(log: EventLog, *facts: Fact) -> None:
    await log.appender.append(Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=utc_now(), facts=facts))


def status(status: ConnectorState, error_code: str = "NoError") -> StatusReported:
    return StatusReported(at=utc_now(), connector_id=1, status=status, error_code=error_code)


def tickets(records: Records) -> list[Ticket]:
    with records.read() as work:
        return list(work.tickets.page().items)


async def test_a_safety_fault_is_a_ticket_on_the_feed_within_a_second(tmp_path: Path, records: Records) -> None:
    settings = _settings(tmp_path)
    async with running_log(settings) as log:
        heard: list[tuple[str, bytes]] = []
        await log.feed.subscribe(lambda kind, data: heard.append((kind, data)))
        async with running(settings, records, log):
            await eventually(lambda: any(kind == "pulse" for kind, _ in heard), what="the first pulse")
            said_at = time.monotonic()
            await say(log, status(ConnectorState.FAULTED, "GroundFailure"))
            await eventually(lambda: any(kind == "ticket" for kind, _ in heard), what="the ticket")
            assert time.monotonic() - said_at < 1.0
            data = next(data for kind, data in heard if kind == "ticket")
            ticket = msgspec.json.decode(data, type=Ticket)
            assert (ticket.fault, ticket.site_id, ticket.state) == ("reported_fault", "site-1", TicketState.OPEN)
            assert tickets(records) == [ticket]


async def test_a_fault_persists_on_the_clock_and_clears(tmp_path: Path, records: Records) -> None:
    settings = _settings(tmp_path, reported_fault={"persist_s": 1, "clear_after_s": 1})
    async with running_log(settings) as log, running(settings, records, log):
        await say(log, status(ConnectorState.FAULTED, "InternalError"))
        (ticket,) = await eventually(lambda: tickets(records), what="the ticket")
        assert ticket.opened_at - ticket.events[0].at == timedelta(0)
        await say(log, status(ConnectorState.AVAILABLE))
        await eventually(lambda: tickets(records)[0].state is TicketState.RESOLVED, what="the end")


async def test_killed_and_resumed_everything_takes_effect_once(tmp_path: Path, records: Records) -> None:
    settings = _settings(tmp_path, reported_fault={"persist_s": 2})
    async with running_log(settings) as log:
        async with running(settings, records, log):
            await say(log, status(ConnectorState.FAULTED, "InternalError"))

            def stored() -> bool:
                with records.read() as work:
                    return bool(work.positions.get(CONSUMER))

            await eventually(stored, what="the checkpoint")
        async with running(settings, records, log):
            (ticket,) = await eventually(lambda: tickets(records), what="the ticket")
            assert [event.action for event in ticket.events] == [TicketAction.OPENED]
        async with running(settings, records, log):
            await say(log, status(ConnectorState.FAULTED, "GroundFailure"))
            await eventually(lambda: tickets(records)[0].severity == "P1", what="the worse news")
            assert len(tickets(records)) == 1


async def test_a_person_may_change_the_ticket_meanwhile(tmp_path: Path, records: Records) -> None:
    settings = _settings(tmp_path, reported_fault={"clear_after_s": 0})
    async with running_log(settings) as log, running(settings, records, log):
        await say(log, status(ConnectorState.FAULTED, "GroundFailure"))
        (ticket,) = await eventually(lambda: tickets(records), what="the ticket")
        event = TicketEvent(at=utc_now(), action=TicketAction.ACKNOWLEDGED, actor="eva")
        with records.begin() as work:
            work.tickets.save(apply_event(ticket, event))
        await say(log, status(ConnectorState.AVAILABLE))
        await eventually(lambda: tickets(records)[0].state is TicketState.RESOLVED, what="the end")
        actions = [event.action for event in tickets(records)[0].events]
        assert actions == [TicketAction.OPENED, TicketAction.ACKNOWLEDGED, TicketAction.CLEARED]
        now = utc_now()
        await say(
            log, TransactionStarted(at=now, connector_id=1, transaction_id="7", id_tag="A", meter_start_wh=0)
        )
        await say(log, TransactionStopped(at=utc_now(), transaction_id="7", meter_stop_wh=5000))
        await eventually(lambda: tickets(records)[0].state is TicketState.VERIFIED, what="the proof")


AC = ModelKey(Span.WINDOW, "AC")


async def test_a_model_is_trained_apart_kept_and_used_after_a_restart(
    tmp_path: Path, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path, detector=DetectorSettings(train_after_hours=1))
    gathered = ModelWatch(train_after=timedelta(hours=1))
    for window in Fleet(connectors=8).days(4, since=utc_now() - timedelta(days=4)):
        gathered.take(window, suspect=False)
    with records.begin() as work:
        keeper.keep_rows(work.detector, gathered.take_gathered(), gathered.encode(), utc_now())
    monkeypatch.setattr(service, "LEARN_S", 0.1)

    def kept() -> bytes | None:
        with records.read() as work:
            return work.detector.model("forest-window-AC")

    async with running_log(settings) as log:
        async with running(settings, records, log):
            data = await eventually(kept, deadline_s=60, what="the model")
        detector = Detector(settings, records, NO_TELEMETRY, log)
        await detector._load()
        assert detector._watch is not None
        assert detector._watch.models()[AC].encode() == data
        assert detector._watch.due(utc_now()) is None


async def test_what_is_gathered_to_learn_from_waits_in_memory_only_until_it_is_much(
    tmp_path: Path, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_ROWS", 1)
    settings = settings_for(tmp_path, detector=DetectorSettings(train_after_hours=1))

    def stored() -> bool:
        with records.read() as work:
            return bool(work.detector.rows(AC.name, since=utc_now() - timedelta(days=1), after=0))

    began = utc_now() - timedelta(hours=1)
    facts: list[Fact] = [
        TransactionStarted(at=began, connector_id=1, transaction_id="7", id_tag="A", meter_start_wh=0)
    ]
    for minute in range(1, 30):
        at = began + timedelta(minutes=minute)
        values = {"energy_wh": 60.0 * minute, "power_w": 3680.0, "current_l1_a": 16.0, "voltage_l1_v": 230.0}
        readings = tuple(Reading(at=at, field=field, value=value) for field, value in values.items())
        facts.append(Measured(at=at, connector_id=1, transaction_id="7", readings=readings))
    facts.append(TransactionStopped(at=began + timedelta(minutes=30), transaction_id="7", meter_stop_wh=3000))
    async with running_log(settings) as log:
        for fact in facts:
            await log.appender.append(
                Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=fact.at, facts=(fact,))
            )
        async with running(settings, records, log):
            await eventually(stored, what="its windows")


def test_replay_learns_and_a_drift_becomes_a_ticket(tmp_path: Path) -> None:
    records = open_records(Settings(data_dir=tmp_path, records={"url": "sqlite://"}))  # type: ignore[arg-type]  # pydantic reads it
    records.migrate()
    replay = ReplayDetector(Settings(data_dir=tmp_path), records)
    watch = replay._watch
    assert watch is not None
    fleet = Fleet()
    for window in fleet.days(10):
        watch.take(window, suspect=False)
    now = START + timedelta(days=10)
    replay.tick(now)
    assert AC in watch.models()
    odd = fleet.days(1, since=now, only=5, bend=lambda w: {"plug_heat": w.values["plug_heat"] * 2})
    assert (
        sum(scored is not None and scored.flagged for scored in (watch.take(w, suspect=False) for w in odd)) > 10
    )
    records.close()


async def test_another_detector_on_the_same_records_is_noticed(
    tmp_path: Path, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    settings = _settings(tmp_path)
    async with running_log(settings) as log, running(settings, records, log):
        await say(log, status(ConnectorState.AVAILABLE))

        def position() -> dict[int, int]:
            with records.read() as work:
                return dict(work.positions.get(CONSUMER))

        before = await eventually(position, what="the checkpoint")
        (partition,) = before
        with records.begin() as work:
            work.positions.advance(CONSUMER, partition, before[partition] + 1)
        await say(log, status(ConnectorState.FAULTED, "GroundFailure"))
        await eventually(lambda: "another detector was here first" in caplog.text, what="the notice")
        await say(log, status(ConnectorState.FAULTED, "OverCurrentFailure"))
        await eventually(lambda: tickets(records), what="the ticket of what came after")


async def test_a_setting_that_names_no_rule_stops_it_at_once(tmp_path: Path, records: Records) -> None:
    settings = _settings(tmp_path, offlin={"after_s": 1})
    async with running_log(settings) as log:
        with pytest.raises(SettingsError, match="offlin"):
            Detector(settings, records, NO_TELEMETRY, log)


def test_replay_writes_the_same_tickets_each_time(tmp_path: Path) -> None:
    story = Story()
    story.connect()
    story.status(ConnectorState.FAULTED, "InternalError")
    story.now += timedelta(minutes=5)
    story.status(ConnectorState.AVAILABLE)
    story.now += timedelta(minutes=2)
    story.heartbeat()
    found = []
    for _ in range(2):
        records = open_records(Settings(data_dir=tmp_path, records={"url": "sqlite://"}))  # type: ignore[arg-type]  # pydantic reads it
        records.migrate()
        replay = ReplayDetector(Settings(data_dir=tmp_path), records)
        for entry in story.entries:
            replay.tick(entry.received_at)
            replay.apply([entry], entry.received_at)
        replay.finish(story.now)
        found.append(tickets(records))
        records.close()
    assert found[0] == found[1]
    (ticket,) = found[0]
    assert (ticket.opened_at - START, ticket.state) == (timedelta(seconds=60), TicketState.RESOLVED)
