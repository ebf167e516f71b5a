"""The event log on a real NATS server: what was acknowledged stays, order is kept, a full log makes wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import stat
from functools import partial
from pathlib import Path

import psutil
import pytest

from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import EventLogError, SettingsError
from laddvakt.domain.ids import partition_of
from laddvakt.eventlog import appender as appender_module
from laddvakt.eventlog.address import mqtt_url, nats_url
from laddvakt.eventlog.client import EventLog, Record
from laddvakt.eventlog.server import EmbeddedServer, choose_ports, server_config
from laddvakt.eventlog.tasks import cancel_and_wait
from laddvakt.settings import EventlogSettings, MqttSettings, Settings, load_settings
from tests.support.collecting import asleep
from tests.support.eventlog import running_log, running_server, settings_for
from tests.support.servers import free_port
from tests.support.stations import T0
from tests.support.waiting import eventually


def entry(station_id: str, text: str) -> Entry:
    return Entry(station_id=station_id, kind=EntryKind.OCPP_IN, received_at=T0, raw=text)


async def read(
    log: EventLog, count: int, positions: dict[int, int] | None = None, name: str = "t"
) -> list[Record]:
    """The next records until `count` entries came."""
    records: list[Record] = []
    reader = log.consume(consumer=name, positions=positions or {})
    while sum(len(record.entries) for record in records) < count:
        group = await anext(reader)
        records += group
        await log.done(group)
    await reader.aclose()
    return records


def texts(records: list[Record], station_id: str) -> list[str]:
    return [e.raw for record in records for e in record.entries if e.station_id == station_id]


async def test_a_cancellation_that_meets_an_answer_is_not_lost(tmp_path: Path) -> None:
    """Loops that ask the log now and then must end when they are told to, whenever that is."""

    async def asks_for_ever(log: EventLog) -> None:
        while True:
            await log.trim()

    async with running_log(settings_for(tmp_path)) as log:
        for number in range(400):
            task = asyncio.create_task(asks_for_ever(log))
            await asyncio.sleep(0.0002 * (number % 20))
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=5)
            if not done:
                await cancel_and_wait([task])
            assert done, f"cancelled in vain, the {number + 1}. time"


async def test_entries_come_back_in_order_per_station(tmp_path: Path) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        waits = [log.appender.append(entry(f"S{n % 7}", str(n))) for n in range(500)]
        await asyncio.gather(*waits)
        records = await asyncio.wait_for(read(log, 500), 10)
        for number in range(7):
            assert texts(records, f"S{number}") == [str(n) for n in range(500) if n % 7 == number]
        assert all(partition_of(e.station_id, 2) == r.partition for r in records for e in r.entries)


async def test_reader_starts_behind_its_own_position(tmp_path: Path) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        for number in range(3):
            await log.appender.append(entry("S", str(number)))
        records = await asyncio.wait_for(read(log, 3), 10)
        again = await asyncio.wait_for(read(log, 1, {records[1].partition: records[1].sequence}), 10)
        assert texts(again, "S") == ["2"]


async def test_what_was_acknowledged_survives_kill_9_of_the_server(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    server = EmbeddedServer(settings)
    await server.start()
    log = await EventLog.connect(settings, name="t")
    acknowledged = []
    for round_number in range(3):
        for number in range(50):
            text = f"{round_number}.{number}"
            await log.appender.append(entry("S", text))
            acknowledged.append(text)
        assert server.pid is not None
        server._process.kill()  # type: ignore[union-attr]  # the fault is the point
        await server.wait()
        pending = log.appender.append(entry("S", f"{round_number}.late"))
        server = EmbeddedServer(settings)
        await server.start()
        await asyncio.wait_for(pending, 10)
        acknowledged.append(f"{round_number}.late")
    records = await asyncio.wait_for(read(log, len(acknowledged)), 10)
    assert texts(records, "S") == acknowledged
    await log.close()
    await server.stop()


async def test_a_full_log_makes_appends_wait_until_there_is_room(tmp_path: Path) -> None:
    limits = EventlogSettings(partitions=1, max_bytes=1024 * 1024)
    async with running_log(settings_for(tmp_path, eventlog=limits)) as log:
        big = "x" * 20_000
        for _ in range(45):
            await log.appender.append(entry("S", big))
        waits = [log.appender.append(entry("S", big)) for _ in range(10)]
        await eventually(lambda: log.appender.stalled)
        assert not waits[-1].done()
        await asyncio.wait_for(read(log, 45), 10)

        async def trimmed() -> bool:  # the acknowledgement is on its way
            return await log.trim() > 1

        await eventually(trimmed)
        await asyncio.wait_for(asyncio.gather(*waits), 20)
        assert not log.appender.stalled


async def test_trim_keeps_what_somebody_still_has_to_read(tmp_path: Path) -> None:
    limits = EventlogSettings(partitions=1, max_bytes=1024 * 1024)
    async with running_log(settings_for(tmp_path, eventlog=limits)) as log:
        for number in range(15):
            await log.appender.append(entry("S", f"{number:03d}" + "x" * 58_000))
        async with contextlib.aclosing(log.consume(consumer="slow", positions={})) as reader:
            await anext(reader)  # took some, acknowledged nothing
            assert await log.trim() == 1


async def test_batches_larger_than_a_message_are_split(tmp_path: Path) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        waits = [log.appender.append(entry("S", str(n) + "x" * 900_000)) for n in range(20)]
        await asyncio.gather(*waits)
        records = await asyncio.wait_for(read(log, 20), 10)
        assert [text[:2].rstrip("x") for text in texts(records, "S")] == [str(n) for n in range(20)]


async def test_one_message_too_large_for_the_log_is_an_error_for_its_sender_alone(tmp_path: Path) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        bad = log.appender.append(entry("S", "x" * 9_000_000))
        with pytest.raises(EventLogError, match="too large"):
            await bad
        await log.appender.append(entry("S", "fine"))


async def test_partitions_are_fixed_once_the_log_exists(tmp_path: Path) -> None:
    async with running_server(settings_for(tmp_path)):
        await (await EventLog.connect(settings_for(tmp_path), name="t")).close()
        other = settings_for(tmp_path, eventlog=EventlogSettings(partitions=5))
        with pytest.raises(EventLogError, match="made with 2 partitions"):
            await EventLog.connect(other, name="t")


async def test_closing_lets_what_is_on_its_way_become_durable(tmp_path: Path) -> None:
    async with running_server(settings_for(tmp_path)) as server:
        log = await EventLog.connect(settings_for(tmp_path), name="t")
        await log.appender.append(entry("S", "before"))
        with asleep(server):
            pending = log.appender.append(entry("S", "late"))
            await asyncio.sleep(0.05)  # it leaves
            closing = asyncio.create_task(log.close())
            done, _ = await asyncio.wait([closing, pending], timeout=0.3)
            assert not done
        await closing
        assert pending.done()
        assert pending.exception() is None


async def test_somebody_who_stops_waiting_does_not_stop_the_log(tmp_path: Path) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        log.appender.append(entry("S", "1")).cancel()
        await asyncio.sleep(0)  # it leaves
        await asyncio.wait_for(log.appender.append(entry("S", "2")), 5)
        await asyncio.wait_for(log.appender.append(entry("S", "3")), 5)
        assert texts(await asyncio.wait_for(read(log, 3), 10), "S") == ["1", "2", "3"]


async def test_somebody_who_stops_waiting_takes_nobody_along(tmp_path: Path) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        first, second = log.appender.append(entry("S", "1")), log.appender.append(entry("S", "2"))
        first.cancel()
        await asyncio.wait_for(second, 5)


async def test_whoever_wants_to_be_called_is_called_in_order_when_it_is_durable(tmp_path: Path) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        called: list[int] = []
        for number in range(5):
            log.appender.submit(entry("S", str(number)), partial(called.append, number))
        log.appender.submit(entry("S", "nobody asked"))
        assert called == []
        await asyncio.wait_for(log.appender.append(entry("S", "last")), 5)
        assert called == [0, 1, 2, 3, 4]


async def test_a_fault_of_one_who_is_called_harms_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        called: list[str] = []
        log.appender.submit(entry("S", "1"), partial([].remove, "nothing"))
        log.appender.submit(entry("S", "2"), partial(called.append, "second"))
        await asyncio.wait_for(log.appender.append(entry("S", "3")), 5)
        assert called == ["second"]
        assert "after an entry became durable" in caplog.text


async def test_closing_gives_up_on_a_log_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "_CLOSE_S", 0.2)
    async with running_server(settings_for(tmp_path)) as server:
        log = await EventLog.connect(settings_for(tmp_path), name="t")
        with asleep(server):
            pending = log.appender.append(entry("S", "late"))
            await asyncio.sleep(0.05)  # it leaves
            behind = log.appender.append(entry("S", "later"))
            await asyncio.wait_for(log.close(), 5)
            assert pending.cancelled()
            assert behind.cancelled()


async def test_the_live_feed_reaches_everybody_in_order(tmp_path: Path) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        heard: list[tuple[str, bytes]] = []
        done = asyncio.Event()

        def handler(kind: str, data: bytes) -> None:
            heard.append((kind, data))
            if data == b"last":
                done.set()

        stop = await log.feed.subscribe(handler)
        await log.feed.publish("station", b"first")
        await log.feed.publish("ticket", b"last")
        await asyncio.wait_for(done.wait(), 5)
        assert heard == [("station", b"first"), ("ticket", b"last")]
        await stop()


async def test_without_an_embedded_server_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EventLogError, match="laddvakt up"):
        nats_url(settings_for(tmp_path))
    with pytest.raises(EventLogError, match="laddvakt up"):
        await EventLog.connect(settings_for(tmp_path), name="t")


async def test_a_log_that_does_not_answer_is_an_error_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laddvakt.eventlog.client._CONNECT_TIMEOUT_S", 0.5)
    dead = EventlogSettings(url=f"nats://127.0.0.1:{free_port()}")
    with pytest.raises(EventLogError, match=r"does not answer.*doctor"):
        await asyncio.wait_for(EventLog.connect(settings_for(tmp_path, eventlog=dead), name="t"), 5)


async def test_a_log_that_is_refused_leaves_no_connection_behind(tmp_path: Path) -> None:
    async with running_server(settings_for(tmp_path)) as server:
        await (await EventLog.connect(settings_for(tmp_path), name="t")).close()
        other = settings_for(tmp_path, eventlog=EventlogSettings(partitions=5))
        with pytest.raises(EventLogError):
            await EventLog.connect(other, name="t")
        ours = [link for link in psutil.Process().net_connections() if link.status == psutil.CONN_ESTABLISHED]
        assert [link for link in ours if link.raddr.port == server.ports.port] == []


async def test_busy_mqtt_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        settings = settings_for(tmp_path, mqtt=MqttSettings(listen=f"127.0.0.1:{port}"))
        with pytest.raises(EventLogError, match=f"{port} \\(mqtt.listen\\)"):
            choose_ports(settings)


async def test_restarted_server_keeps_its_ports(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    async with running_server(settings) as server:
        first = server.ports
    async with running_server(settings) as server:
        assert server.ports == first


def test_devices_need_a_password_off_loopback(tmp_path: Path) -> None:
    ports = choose_ports(settings_for(tmp_path))
    local = json.loads(server_config(settings_for(tmp_path), ports))
    assert local["mqtt"]["no_auth_user"] == "device"
    open_ports = type(ports)(host=ports.host, port=ports.port, mqtt_host="0.0.0.0", mqtt_port=ports.mqtt_port)  # noqa: S104
    assert "no_auth_user" not in json.loads(server_config(settings_for(tmp_path), open_ports))["mqtt"]


async def test_secrets_are_readable_by_the_owner_alone(tmp_path: Path) -> None:
    async with running_server(settings_for(tmp_path)):
        for path in [*(tmp_path / "secrets").iterdir(), tmp_path / "run" / "nats.json"]:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_mqtt_can_be_switched_off_or_elsewhere() -> None:
    assert mqtt_url(Settings(mqtt=MqttSettings(url="off"))) is None
    assert mqtt_url(Settings(mqtt=MqttSettings(url="mqtt://broker:1883"))) == "mqtt://broker:1883"


def test_back_off_is_bounded() -> None:
    assert max(appender_module._BACK_OFF_S) <= 1.0  # a station waits for the log this long at most


def test_unknown_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "laddvakt.toml").write_text("[eventlog]\npartition = 3\n")
    with pytest.raises(SettingsError, match=r"eventlog\.partition"):
        load_settings(tmp_path / "laddvakt.toml", environ={})
