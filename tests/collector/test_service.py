"""Collector and recorder together on a real event log, through outages of what they write to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from collector import recorder as recorder_module
from collector import service as service_module
from collector.asking import Asker
from collector.recorder import RECORDS, TELEMETRY, Recorder
from collector.service import Collector
from laddvakt.clock import utc_now
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import StoreUnavailableError
from laddvakt.domain.facts import Measured, QuarantineReason, TransactionStarted
from laddvakt.domain.history import Transition
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tokens import TokenKind
from laddvakt.eventlog.address import mqtt_url
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import (
    EventlogSettings,
    MqttSettings,
    OcppSettings,
    RecordsSettings,
    SessionsSettings,
    Settings,
    TelemetrySettings,
)
from laddvakt.stores.ports import Records, Telemetry, Work
from laddvakt.stores.sql.engine import open_records
from laddvakt.stores.telemetry import open_telemetry
from laddvakt.stores.telemetry.memory import MemoryTelemetry
from tests.support import servers
from tests.support.collecting import OCPP16, answer, ask, register
from tests.support.eventlog import running_server, settings_for
from tests.support.mqtt import publish
from tests.support.waiting import eventually

BEGIN = utc_now().replace(microsecond=0) - timedelta(minutes=30)


class Plant:
    """A running log with stores, on which services are started and ended at will."""

    def __init__(self, settings: Settings, records: Records, telemetry: Telemetry) -> None:
        self.settings = settings
        self.records = records
        self.telemetry = telemetry

    @asynccontextmanager
    async def _running(self, service: Any, log: EventLog) -> AsyncIterator[None]:
        task = asyncio.create_task(service.run())
        try:
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await log.close()

    @asynccontextmanager
    async def collector(self, number: int = 1) -> AsyncIterator[Collector]:
        log = await EventLog.connect(self.settings, name="collector")
        service = Collector(self.settings, self.records, log, utc_now, number=number)
        async with self._running(service, log):
            yield service

    @asynccontextmanager
    async def recorder(self) -> AsyncIterator[Recorder]:
        log = await EventLog.connect(self.settings, name="recorder")
        service = Recorder(self.settings, self.records, self.telemetry, log, utc_now)
        async with self._running(service, log):
            yield service

    def sessions(self) -> list[Session]:
        with self.records.read() as work:
            return sorted(work.sessions.page(limit=500).items, key=lambda session: session.started_at)

    def positions(self, consumer: str) -> dict[int, int]:
        with self.records.read() as work:
            return work.positions.get(consumer)

    def values(self, field: str = "energy_wh", source: str = "ocpp", connector: int = 1) -> list[float]:
        """Of SE-1, oldest first."""
        read = self.telemetry.read(
            station_id="SE-1",
            connector_id=connector,
            fields=[field],
            from_=BEGIN - timedelta(days=1),
            to=BEGIN + timedelta(days=2),
            source=source,
        )
        return [sample.value for sample in read[field]]

    async def write(self, entry: Entry) -> None:
        """Straight into the log."""
        log = await EventLog.connect(self.settings, name="writer")
        await log.appender.append(entry)
        await log.close()


@asynccontextmanager
async def plant(
    folder: Path, *, records: Records | None = None, telemetry: Telemetry | None = None, **changes: Any
) -> AsyncIterator[Plant]:
    """SE-1 is registered; stores are embedded unless given."""
    settings = settings_for(folder, **{"ocpp": OcppSettings(listen="127.0.0.1:0"), **changes})
    own_records = records or open_records(settings)
    own_records.migrate()
    own_telemetry = telemetry or open_telemetry(settings)
    register(own_records, "SE-1")
    async with running_server(settings):
        try:
            yield Plant(settings, own_records, own_telemetry)
        finally:
            own_telemetry.close()
            own_records.close()


class Driver:
    """A session at SE-1 over a real socket; values are a minute apart."""

    def __init__(self, link: ClientConnection) -> None:
        self._link = link
        self._minute = 0
        self.transaction = 0

    def _now(self) -> str:
        self._minute += 1
        return (BEGIN + timedelta(minutes=self._minute)).isoformat().replace("+00:00", "Z")

    async def _say(self, action: str, payload: dict[str, Any]) -> Any:
        kind, _, reply, *_ = await ask(self._link, action, payload)
        assert kind == 3
        return reply

    async def start(self, meter_wh: int) -> None:
        payload = {"connectorId": 1, "idTag": "TAG1", "meterStart": meter_wh, "timestamp": self._now()}
        self.transaction = (await self._say("StartTransaction", payload))["transactionId"]

    async def energy(self, *registers_wh: int) -> None:
        for register_wh in registers_wh:
            value = {"value": str(register_wh)}
            await self._say(
                "MeterValues",
                {
                    "connectorId": 1,
                    "transactionId": self.transaction,
                    "meterValue": [{"timestamp": self._now(), "sampledValue": [value]}],
                },
            )

    async def stop(self, meter_wh: int, *registers_wh: int) -> None:
        """`registers_wh` are told in transactionData, which names no connector (OCPP 1.6 section 6.49)."""
        data = [
            {"timestamp": self._now(), "sampledValue": [{"value": str(register_wh)}]}
            for register_wh in registers_wh
        ]
        payload = {"transactionId": self.transaction, "meterStop": meter_wh, "timestamp": self._now()}
        await self._say("StopTransaction", {**payload, **({"transactionData": data} if data else {})})


@asynccontextmanager
async def at_station(collector: Collector, station_id: str) -> AsyncIterator[ClientConnection]:
    def listens() -> bool:
        with suppress(Exception):
            return bool(collector.server.port)
        return False

    await eventually(listens, what="the collector to listen")
    async with connect(f"ws://127.0.0.1:{collector.server.port}/{station_id}", subprotocols=OCPP16) as link:
        yield link


@asynccontextmanager
async def driver(collector: Collector) -> AsyncIterator[Driver]:
    async with at_station(collector, "SE-1") as link:
        yield Driver(link)


class Faulty:
    """Records that can be unreachable."""

    def __init__(self, inner: Records) -> None:
        self._inner = inner
        self.down = False

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailableError("the records cannot be reached: test.")

    def begin(self) -> AbstractContextManager[Work]:
        self._check()
        return self._inner.begin()

    def read(self) -> AbstractContextManager[Work]:
        self._check()
        return self._inner.read()

    def migrate(self) -> None:
        self._inner.migrate()

    def close(self) -> None:
        self._inner.close()


async def test_session_over_a_socket_is_in_records_and_telemetry(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.collector() as collector, it.recorder():
        async with driver(collector) as person:
            await person.start(1000)
            await person.energy(1100, 1200)
            await eventually(lambda: it.sessions() and it.sessions()[0].energy_wh == 200)
            await person.stop(1300)
        await eventually(lambda: it.sessions()[0].state is SessionState.ENDED)
        await eventually(lambda: it.values() == [1100, 1200])
        assert it.sessions()[0].energy_wh == 300


async def test_device_over_mqtt_is_in_telemetry(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.collector() as collector, it.recorder():
        await eventually(lambda: collector.mqtt is not None and collector.mqtt.connected)
        url = "mqtt://" + (mqtt_url(it.settings) or "").rpartition("@")[2]
        await asyncio.to_thread(publish, url, "laddvakt/SE-1/1/meter", '{"power_w":7000}')
        await eventually(lambda: it.values("power_w", "mqtt") == [7000])


async def test_influxdb_away_for_a_while_loses_nothing_and_delays_no_records(tmp_path: Path) -> None:
    with servers.influx() as influx:
        telemetry = TelemetrySettings(url=influx.url, bucket=influx.bucket)
        async with (
            plant(tmp_path, telemetry=open_telemetry(Settings(telemetry=telemetry))) as it,
            it.collector() as collector,
            it.recorder(),
            driver(collector) as person,
        ):
            await person.start(0)
            await person.energy(100)
            await eventually(lambda: it.values() == [100])
            influx.stop()
            await person.energy(200, 300)
            await eventually(lambda: it.sessions()[0].energy_wh == 300, deadline_s=5)
            await person.energy(400)
            await person.stop(400)
            await eventually(lambda: it.sessions()[0].state is SessionState.ENDED, deadline_s=5)
            await asyncio.to_thread(influx.start)
            await eventually(lambda: it.values() == [100, 200, 300, 400], deadline_s=30)


async def test_postgresql_away_for_a_while_loses_nothing_and_stops_no_station(tmp_path: Path) -> None:
    with servers.postgres() as database:
        records = open_records(Settings(data_dir=tmp_path, records=RecordsSettings(url=database.url)))
        async with (
            plant(tmp_path, records=records) as it,
            it.collector() as collector,
            it.recorder() as recorder,
            driver(collector) as person,
        ):
            await person.start(0)
            await eventually(it.sessions)
            database.stop()
            await person.energy(100, 200)
            await person.stop(300)
            await person.start(300)
            await asyncio.to_thread(database.start)
            await eventually(lambda: len(it.sessions()) == 2, deadline_s=30)
            first, second = it.sessions()
            assert (first.state, first.energy_wh, second.state) == (SessionState.ENDED, 300, SessionState.ACTIVE)
            await eventually(lambda: recorder.applied == 6)  # the link, 2 starts, 2 values, a stop


async def test_recorder_goes_on_where_it_was(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.collector() as collector, driver(collector) as person:
        async with it.recorder() as first:
            await person.start(0)
            await person.energy(100)
            await eventually(lambda: it.sessions() and it.sessions()[0].energy_wh == 100)
            await eventually(lambda: it.values() == [100])
            await eventually(lambda: first.applied == 3)  # the link, a start and a value
        await person.energy(200)
        await person.stop(250)
        async with it.recorder() as second:
            await eventually(lambda: it.sessions()[0].state is SessionState.ENDED)
            await eventually(lambda: it.values() == [100, 200])
            await eventually(lambda: second.applied == 2)  # a value and a stop
            await eventually(lambda: it.positions(RECORDS) == it.positions(TELEMETRY))
        (session,) = it.sessions()
        assert session.energy_wh == 250


async def test_values_that_name_only_their_transaction_find_its_connector_after_a_restart(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.collector() as collector, driver(collector) as person:
        async with it.recorder():
            await person.start(0)
            await person.energy(100)
            await eventually(lambda: it.values() == [100])
            await eventually(it.sessions)
        await person.stop(200, 200)
        async with it.recorder():
            await eventually(lambda: it.values() == [100, 200])
        assert it.values(connector=0) == []


# On a machine that is busy with other things, a reader cancelled at the wrong moment now and then leaves a
# "cannot reuse already awaited coroutine" behind in the event loop, from where is not known yet; the data is
# right.
async def test_recorder_that_was_stopped_reads_no_more(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.collector() as collector, driver(collector) as person:
        others = asyncio.all_tasks()
        async with it.recorder() as recorder:
            await person.start(0)
            await eventually(lambda: recorder.applied)  # stopped between two groups
        assert asyncio.all_tasks() <= others


async def test_entries_that_somebody_else_has_applied_are_not_applied_again(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.collector() as collector, driver(collector) as person:
        async with it.recorder() as one, it.recorder() as other:
            await person.start(0)
            await person.energy(100, 200, 300)
            await person.stop(300)
            await eventually(lambda: it.sessions() and it.sessions()[0].state is SessionState.ENDED)
            await eventually(lambda: it.values() == [100, 200, 300])
        assert (one.applied, other.applied) != (0, 0)
        assert len(it.sessions()) == 1


async def test_recorder_interrupted_at_any_moment_applies_each_entry_once(tmp_path: Path) -> None:
    registers = list(range(100, 2000, 100))
    async with plant(tmp_path) as it, it.collector() as collector, driver(collector) as person:

        async def charge() -> None:
            await person.start(0)
            await person.energy(*registers)
            await person.stop(2000)

        charging = asyncio.create_task(charge())
        applied = 0
        while not charging.done():
            async with it.recorder() as recorder:
                await asyncio.sleep(0.05)  # any moment will do
            applied += recorder.applied
        await charging
        async with it.recorder() as last:
            await eventually(lambda: it.sessions() and it.sessions()[0].state is SessionState.ENDED)
            await eventually(lambda: it.values() == registers)
            assert it.sessions()[0].energy_wh == 2000
            # What was committed at the very moment of an interruption is counted by nobody.
            assert applied + last.applied <= len(registers) + 3


async def test_unreadable_entry_in_the_log_does_not_stop_the_recorder(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.collector() as collector, it.recorder():
        odd = Entry(station_id="x" * 300, kind=EntryKind.CONNECTED, received_at=utc_now(), raw="\x00")
        await it.write(odd)
        async with driver(collector) as person:
            await person.start(0)
            await eventually(it.sessions)


async def test_device_of_a_mapping_file_comes_into_the_telemetry(tmp_path: Path) -> None:
    mappings = tmp_path / "mappings.toml"
    mappings.write_text('[[mappings]]\nuse = "tasmota"\ndevices = { plug-7 = "SE-1/1" }\n', "utf-8")
    mqtt = MqttSettings(listen="127.0.0.1:0", mappings=(mappings,))
    async with plant(tmp_path, mqtt=mqtt) as it, it.collector() as collector, it.recorder():
        await eventually(lambda: collector.mqtt and collector.mqtt.connected)
        url = "mqtt://" + (mqtt_url(it.settings) or "").rpartition("@")[2]
        await asyncio.to_thread(publish, url, "tele/plug-7/SENSOR", '{"ENERGY": {"Total": 1.5}}')
        await eventually(lambda: it.values(source="mqtt") == [1500])


async def test_what_the_stores_refuse_is_set_aside_and_the_rest_counts(tmp_path: Path) -> None:
    now = utc_now()
    huge = 2**63  # more than a database's integer holds
    start = TransactionStarted(at=now, connector_id=1, transaction_id="1", meter_start_wh=huge)
    value = Measured(at=now, connector_id=huge, readings=(Reading(at=now, field="power_w", value=1.0),))
    async with plant(tmp_path) as it, it.collector() as collector:
        for fact in (start, value):
            await it.write(
                Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=now, raw="odd", facts=(fact,))
            )
        async with driver(collector) as person:
            await person.start(0)
            await person.energy(100)
            async with it.recorder():
                await eventually(lambda: it.sessions() and it.sessions()[0].energy_wh == 100)
                await eventually(lambda: it.values() == [100])
        assert len(it.sessions()) == 1
        with it.records.read() as work:
            kept = work.quarantine.page().items
        assert {item.reason for item in kept} == {QuarantineReason.INTERNAL_ERROR}
        assert all(item.raw == "odd" for item in kept)
        assert kept


async def test_services_give_signs_of_life_and_news(tmp_path: Path) -> None:
    heard: list[tuple[str, Any]] = []
    async with plant(tmp_path) as it, it.collector() as collector, it.recorder():
        ear = await EventLog.connect(it.settings, name="ear")
        await ear.feed.subscribe(lambda kind, data: heard.append((kind, json.loads(data))))
        async with driver(collector) as person:
            await person.start(0)
            await person.energy(100)

            def pulses(service: str) -> list[Any]:
                return [said for kind, said in heard if kind == "pulse" and said["service"] == service]

            await eventually(lambda: any(said.get("connected") for said in pulses("collector")))
            await eventually(lambda: any(said.get("applied") for said in pulses("recorder")))
            assert all(said["lag_s"] >= 0 and said["at"] for said in pulses("recorder"))
            assert pulses("collector")[-1]["mqtt_bad"] == 0
            await eventually(lambda: any(kind == "session" and said["energy_wh"] == 100 for kind, said in heard))
            assert any(kind == "station" and said["station_id"] == "SE-1" for kind, said in heard)
        await ear.close()


async def test_collector_without_records_waits_before_it_lets_stations_in(tmp_path: Path) -> None:
    """Else registered stations would be taken for unknown ones, and their sessions refused."""
    records = Faulty(open_records(Settings(data_dir=tmp_path)))
    async with plant(tmp_path, records=records) as it:
        records.down = True
        async with it.collector() as collector:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(served_once(collector), 0.5)
            records.down = False
            async with driver(collector) as person:
                await person.start(0)
                records.down = True  # from now on what was known last is used
                await person.stop(100)
                records.down = False


async def served_once(collector: Collector) -> None:
    async with driver(collector) as person:
        await person.start(0)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[object, str], None]]:
    def shorten(module: object, name: str) -> None:
        monkeypatch.setattr(module, name, 0.2)

    yield shorten


async def test_station_that_does_not_come_back_after_a_restart_is_disconnected(
    tmp_path: Path, soon: Callable[[object, str], None]
) -> None:
    soon(service_module, "NOT_BACK_AFTER_S")

    async with plant(tmp_path) as it, it.recorder():
        for station_id in ("SE-1", "SE-2"):
            register(it.records, station_id)
        async with it.collector() as collector, driver(collector):
            link = await connect(f"ws://127.0.0.1:{collector.server.port}/SE-2", subprotocols=OCPP16)
            await eventually(lambda: connected(it) == {"SE-1", "SE-2"})
        await link.wait_closed()
        assert "SE-2" in connected(it)  # our own restart is not its doing; the driver's station hung up itself
        async with it.collector() as collector, driver(collector):
            await eventually(lambda: connected(it) == {"SE-1"})


def connected(it: Plant) -> set[str]:
    """By the records."""
    with it.records.read() as work:
        return {station.station_id for station in work.stations.all() if station.connected}


async def test_station_that_comes_to_another_collector_leaves_the_first_one(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.recorder() as recorder, it.collector() as one, it.collector(2) as two:
        async with driver(one) as person:
            await person.start(1000)
            await eventually(lambda: len(it.sessions()) == 1)
            async with driver(two) as again:
                await asyncio.wait_for(person._link.wait_closed(), 10)
                assert person._link.close_reason == "replaced by a newer connection"
                await eventually(lambda: not one.server.holds("SE-1"))
                again.transaction = person.transaction
                await again.energy(1100)
                await eventually(lambda: it.sessions()[0].energy_wh == 100)
                assert connected(it) == {"SE-1"}
                assert two.server.holds("SE-1")
        await eventually(lambda: connected(it) == set())
        assert recorder.applied


async def test_restart_of_a_collector_leaves_the_stations_of_the_others_alone(
    tmp_path: Path, soon: Callable[[object, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    soon(service_module, "NOT_BACK_AFTER_S")
    async with plant(tmp_path) as it, it.recorder(), it.collector(2) as other, driver(other):
        register(it.records, "SE-2")
        async with it.collector() as collector:
            await eventually(lambda: collector.mqtt)
            link = await connect(f"ws://127.0.0.1:{collector.server.port}/SE-2", subprotocols=OCPP16)
            await eventually(lambda: connected(it) == {"SE-1", "SE-2"})
        await link.wait_closed()
        async with it.collector():
            await eventually(lambda: connected(it) == {"SE-1"})
            assert other.server.holds("SE-1")


async def test_only_the_first_of_several_collectors_reads_mqtt(tmp_path: Path) -> None:
    async with plant(tmp_path) as it, it.collector(2) as second, it.collector() as first:
        await eventually(lambda: first.mqtt is not None and first.mqtt.connected)
        assert second.mqtt is None


class Unforgetting(MemoryTelemetry):
    def expire(self, before: date) -> None:
        raise StoreUnavailableError("the disk is read-only.")


async def test_log_is_trimmed_although_old_telemetry_cannot_be_deleted(
    tmp_path: Path, soon: Callable[[object, str], None]
) -> None:
    soon(recorder_module, "_HOUSEKEEPING_S")
    small = EventlogSettings(partitions=1, max_bytes=1024**2)
    async with plant(tmp_path, telemetry=Unforgetting(), eventlog=small) as it, it.recorder() as recorder:
        async with asyncio.timeout(20):
            for number in range(40):  # 1.6 MB: more than fits at once
                raw = f"{number}" + "x" * 40_000
                await it.write(Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=utc_now(), raw=raw))
        await eventually(lambda: recorder.applied == 40)


async def test_old_changes_of_status_are_forgotten(tmp_path: Path, soon: Callable[[object, str], None]) -> None:
    soon(recorder_module, "_HOUSEKEEPING_S")
    async with plant(tmp_path) as it:
        days = it.settings.records.history_days
        with it.records.begin() as work:
            work.history.add(_stood(ago) for ago in (days + 9, days + 5, days + 1, 1))
        async with it.recorder():
            await eventually(lambda: _remembered(it) == [_stood(days + 1).at, _stood(1).at])


NOW = utc_now()


def _stood(days: int) -> Transition:
    at = NOW - timedelta(days=days)
    return Transition(station_id="SE-1", connector_id=1, at=at, status=ConnectorState.AVAILABLE, connected=True)


def _remembered(it: Plant) -> list[datetime]:
    with it.records.read() as work:
        return [change.at for change in work.history.between(NOW - timedelta(days=999), NOW)]


async def test_token_that_charges_at_one_collector_is_in_use_at_the_other(tmp_path: Path) -> None:
    options = OcppSettings(listen="127.0.0.1:0", concurrent_sessions="refuse", unknown_stations="accept")
    async with (
        plant(tmp_path, ocpp=options, mqtt=MqttSettings(url="off")) as it,
        it.collector() as first,
        it.collector() as second,
        it.recorder(),
        driver(first) as person,
        at_station(second, "SE-2") as link,
    ):

        async def told(status: str) -> bool:
            said: str = (await ask(link, "Authorize", {"idTag": "tag1"}))[2]["idTagInfo"]["status"]
            return said == status

        assert await told("Accepted")
        await person.start(0)  # waiting far less than until the records are read again
        await eventually(lambda: told("ConcurrentTx"), what="the start to be known")
        await person.stop(100)
        await eventually(lambda: told("Accepted"), what="the stop to be known")


# What collector and recorder do together with commands


async def test_q23_station_that_came_back_in_silence_is_asked_and_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = partial(Asker, settle_s=0.5, jitter=lambda: 0.0)
    monkeypatch.setattr(service_module, "Asker", at_once)

    def state() -> ConnectorState | None:
        with plant_.records.read() as work:
            station = work.stations.get("SE-1")
        connector = station.connector(1) if station is not None else None
        return connector.status if connector is not None else None

    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    async with plant(tmp_path) as plant_, plant_.collector() as collector, plant_.recorder():
        async with at_station(collector, "SE-1") as link:
            await ask(link, "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
            await ask(link, "StatusNotification", status)
            await eventually(lambda: state() is ConnectorState.AVAILABLE)
        await eventually(lambda: state() is ConnectorState.UNKNOWN)
        async with at_station(collector, "SE-1") as link:
            call = await answer(link)
            assert call[2:] == ["TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}]
            await link.send(json.dumps([3, call[1], {"status": "Accepted"}]))
            await ask(link, "StatusNotification", {**status, "status": "Preparing"})
            await eventually(lambda: state() is ConnectorState.PREPARING)


async def test_remote_start_leads_to_its_session_through_log_and_records(tmp_path: Path) -> None:
    async with plant(tmp_path) as plant_, plant_.collector() as collector, plant_.recorder():
        async with at_station(collector, "SE-1") as link:
            await ask(link, "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
            payload = {"idTag": "APP1", "connectorId": 1}
            waiting = asyncio.create_task(
                collector.server.calls.send("SE-1", "RemoteStartTransaction", payload, actor="anna")
            )
            call = await answer(link)
            await link.send(json.dumps([3, call[1], {"status": "Accepted"}]))
            command = await waiting
            start = {"connectorId": 1, "idTag": "APP1", "meterStart": 0, "timestamp": utc_now().isoformat()}
            await ask(link, "StartTransaction", start)
            (session,) = await eventually(plant_.sessions)
        assert session.command_id == command.command_id
        assert session.token_kind is TokenKind.APP
        with plant_.records.read() as work:
            (kept,) = work.commands.page("SE-1").items
        assert (kept.session_id, kept.actor, kept.status) == (session.session_id, "anna", "accepted")


async def test_silent_session_is_closed_by_estimate(
    tmp_path: Path, soon: Callable[[object, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    soon(recorder_module, "_HOUSEKEEPING_S")
    monkeypatch.setattr(recorder_module, "_IN_STEP", timedelta(0))
    quick = SessionsSettings(silent_after_h=1 / 3600)
    async with plant(tmp_path, sessions=quick) as it, it.collector() as collector:
        async with driver(collector) as person:
            await person.start(0)
            await person.energy(100)
        async with it.recorder():  # both messages wait for it: it must not be quicker than the driver
            await eventually(lambda: it.sessions() and it.sessions()[0].state is SessionState.ENDED)
        assert (it.sessions()[0].energy_wh, it.sessions()[0].quality) == (100, Quality.ESTIMATED)
