"""The MQTT subscriber on the embedded broker and on Mosquitto: what a broker was acknowledged is in the log."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from collector.mqtt.client import MqttSubscriber
from collector.mqtt.mappings import Reader
from laddvakt.clock import utc_now
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.facts import Measured, NonConforming, Quarantined, QuarantineReason
from laddvakt.eventlog.address import EmbeddedPorts, mqtt_url
from laddvakt.eventlog.appender import Appender
from laddvakt.eventlog.client import EventLog
from laddvakt.eventlog.server import EmbeddedServer, server_config
from laddvakt.settings import MqttSettings, Settings
from tests.support import servers
from tests.support.collecting import asleep, logged
from tests.support.eventlog import running_log, running_server, settings_for
from tests.support.mqtt import device, publish
from tests.support.waiting import eventually

METER = "laddvakt/SE-1/1/meter"
SUBSCRIBER = "laddvakt-collector"


class Broker:
    """Either kind; `url` is for devices, `own_url` for the collector."""

    def __init__(self, url: str, own_url: str) -> None:
        self.url = url
        self.own_url = own_url


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Broker]:
    settings = settings_for(folder)
    async with running_server(settings) as server:
        yield Broker(f"mqtt://127.0.0.1:{server.ports.mqtt_port}", mqtt_url(settings) or "")


@asynccontextmanager
async def mosquitto(_: Path) -> AsyncIterator[Broker]:
    with servers.mosquitto() as server:
        yield Broker(server.url, server.url)


BROKERS = pytest.mark.parametrize("broker_kind", [embedded, mosquitto], ids=["embedded", "mosquitto"])
Kind = Callable[[Path], AbstractAsyncContextManager[Broker]]


def make(
    url: str, appender: Appender | Held, client_id: str = SUBSCRIBER, reader: Reader | None = None
) -> MqttSubscriber:
    mqtt = MqttSettings(url=url, client_id=client_id)
    return MqttSubscriber(lambda: url, mqtt, appender, utc_now, reader or Reader())  # type: ignore[arg-type]


@asynccontextmanager
async def subscribed(
    url: str, appender: Appender | Held, client_id: str = SUBSCRIBER
) -> AsyncIterator[MqttSubscriber]:
    """Connected; left as a killed process leaves: nothing more is acknowledged."""
    subscriber = make(url, appender, client_id)
    subscriber.start()
    try:
        await eventually(lambda: subscriber.connected, what="the broker")
        yield subscriber
    finally:
        await vanish(subscriber)


async def vanish(subscriber: MqttSubscriber) -> None:
    """As if the process were killed: no goodbye, nothing acknowledged any more."""
    client = subscriber._client
    client.on_message = None
    client.on_disconnect = None
    client.ack = lambda *_: None  # type: ignore[method-assign]
    if client.socket() is not None:
        client.socket().close()
    await asyncio.to_thread(client.loop_stop)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded broker sends again after a second what is not acknowledged, instead of after 30."""

    def quick(settings: Settings, ports: EmbeddedPorts) -> str:
        return server_config(settings, ports).replace('"ack_wait": "30s"', '"ack_wait": "1s"')

    monkeypatch.setattr("laddvakt.eventlog.server.server_config", quick)


class Held:
    """An event log that takes everything and makes nothing durable until told."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.waits: list[asyncio.Future[None]] = []

    def append(self, entry: Entry) -> asyncio.Future[None]:
        self.entries.append(entry)
        self.waits.append(asyncio.get_running_loop().create_future())
        return self.waits[-1]

    @property
    def raws(self) -> list[str]:
        return [entry.raw for entry in self.entries]


async def raws(log: EventLog, count: int) -> list[str]:
    return [entry.raw for entry in await logged(log, lambda entries: len(entries) >= count)]


def message(number: int) -> str:
    return f'{{"power_w":{number}}}'


@BROKERS
async def test_message_comes_into_the_log_as_readings(tmp_path: Path, broker_kind: Kind) -> None:
    async with (
        broker_kind(tmp_path / "broker") as broker,
        running_log(settings_for(tmp_path / "log")) as log,
        subscribed(broker.own_url, log.appender),
    ):
        await asyncio.to_thread(publish, broker.url, METER, '{"power_w":11000,"ts":"2026-11-21T10:00:00Z"}')
        await asyncio.to_thread(publish, broker.url, "laddvakt/SE-2/telemetry", '{"fan_rpm":900}')
        first, second = await logged(log, lambda entries: len(entries) == 2)
    found = {entry.station_id: entry for entry in (first, second)}
    (fact,) = found["SE-1"].facts
    assert isinstance(fact, Measured)
    assert (found["SE-1"].kind, found["SE-1"].topic, fact.readings[0].value) == (EntryKind.MQTT, METER, 11000)
    assert found["SE-2"].raw == '{"fan_rpm":900}'


@BROKERS
async def test_messages_keep_their_order(tmp_path: Path, broker_kind: Kind) -> None:
    def talk(url: str) -> None:
        with device(url) as meter:
            for number in range(100):
                meter.client.publish(METER, message(number), qos=1)
            assert meter.say(METER, message(100))

    async with (
        broker_kind(tmp_path / "broker") as broker,
        running_log(settings_for(tmp_path / "log")) as log,
        subscribed(broker.own_url, log.appender),
    ):
        await asyncio.to_thread(talk, broker.url)
        assert await raws(log, 101) == [message(number) for number in range(101)]


@BROKERS
async def test_message_is_not_acknowledged_before_the_log_has_it(
    tmp_path: Path, broker_kind: Kind, impatient: None
) -> None:
    """The subscriber dies while its log takes nothing; the next one gets the message."""
    async with (
        broker_kind(tmp_path / "broker") as broker,
        running_server(settings_for(tmp_path / "log")) as server,
    ):
        log = await EventLog.connect(settings_for(tmp_path / "log"), name="t")
        with asleep(server):
            async with subscribed(broker.own_url, log.appender) as first:
                await asyncio.to_thread(publish, broker.url, METER, message(1))
                await eventually(lambda: first.messages == 1)
            held = Held()
            async with subscribed(broker.own_url, held):
                await eventually(lambda: held.raws == [message(1)], what="the message again")
        await log.close()


@BROKERS
async def test_acknowledged_message_does_not_come_again(tmp_path: Path, broker_kind: Kind) -> None:
    async with broker_kind(tmp_path / "broker") as broker, running_log(settings_for(tmp_path / "log")) as log:
        async with subscribed(broker.own_url, log.appender) as first:
            await asyncio.to_thread(publish, broker.url, METER, message(1))
            await logged(log, lambda entries: len(entries) == 1)
            await first.stop()
        held = Held()
        async with subscribed(broker.own_url, held):
            await asyncio.to_thread(publish, broker.url, METER, message(2))
            await eventually(lambda: held.raws)
            assert held.raws == [message(2)]


@BROKERS
async def test_broker_keeps_messages_while_we_are_away(tmp_path: Path, broker_kind: Kind) -> None:
    async with broker_kind(tmp_path / "broker") as broker:
        async with subscribed(broker.own_url, Held()) as first:
            await first.stop()
        await asyncio.to_thread(publish, broker.url, METER, message(1))
        held = Held()
        async with subscribed(broker.own_url, held):
            await eventually(lambda: held.raws == [message(1)])


async def test_message_that_is_sent_again_meanwhile_is_taken_once(tmp_path: Path, impatient: None) -> None:
    async with embedded(tmp_path) as broker:
        held = Held()
        async with subscribed(broker.own_url, held) as subscriber:
            await asyncio.to_thread(publish, broker.url, METER, message(1))
            await eventually(lambda: subscriber.repeated)
            assert held.raws == [message(1)]
            held.waits[0].set_result(None)
            await asyncio.to_thread(publish, broker.url, METER, message(2))
            await eventually(lambda: held.raws == [message(1), message(2)])


async def test_mosquitto_that_restarts_is_found_again(tmp_path: Path) -> None:
    with servers.mosquitto() as broker:
        held = Held()
        async with subscribed(broker.url, held) as subscriber:
            broker.kill()
            await eventually(lambda: not subscriber.connected)
            await asyncio.to_thread(broker.start)
            await eventually(lambda: subscriber.connected, deadline_s=15)
            await asyncio.to_thread(publish, broker.url, METER, message(1))
            await eventually(lambda: held.raws == [message(1)])


async def test_embedded_broker_that_is_killed_is_found_again(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    server = EmbeddedServer(settings)
    await server.start()
    held = Held()
    async with subscribed(mqtt_url(settings) or "", held) as subscriber:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        await eventually(lambda: not subscriber.connected)
        server = EmbeddedServer(settings)
        await server.start()
        await eventually(lambda: subscriber.connected, deadline_s=15)
        await asyncio.to_thread(publish, f"mqtt://127.0.0.1:{server.ports.mqtt_port}", METER, message(1))
        await eventually(lambda: held.raws == [message(1)])
    await server.stop()


async def test_broker_that_is_not_there_yet_is_waited_for() -> None:
    with servers.mosquitto() as broker:
        broker.stop()
        held = Held()
        subscriber = make(broker.url, held)
        subscriber.start()
        await asyncio.to_thread(broker.start)
        await eventually(lambda: subscriber.connected, deadline_s=15)
        await subscriber.stop()


@pytest.mark.parametrize("url", ["http://host:1883", "mqtt://", "mqtt://host:port", "broker"])
async def test_address_that_is_not_one_is_a_settings_error(url: str) -> None:
    subscriber = make(url, Held())
    with pytest.raises(SettingsError, match=r"mqtt\.url"):
        subscriber.start()


@BROKERS
async def test_unreadable_message_is_quarantined_and_acknowledged(tmp_path: Path, broker_kind: Kind) -> None:
    async with broker_kind(tmp_path / "broker") as broker, running_log(settings_for(tmp_path / "log")) as log:
        async with subscribed(broker.own_url, log.appender) as subscriber:
            await asyncio.to_thread(publish, broker.url, METER, b"\xff not json")
            await asyncio.to_thread(publish, broker.url, METER, message(2))
            bad, good = await logged(log, lambda entries: len(entries) == 2)
            await subscriber.stop()
        assert isinstance(bad.facts[0], Quarantined)
        assert bad.facts[0].reason is QuarantineReason.BAD_MQTT_PAYLOAD
        assert isinstance(good.facts[0], Measured)
        held = Held()
        async with subscribed(broker.own_url, held):
            await asyncio.to_thread(publish, broker.url, METER, message(3))
            await eventually(lambda: held.raws)
            assert held.raws == [message(3)]


async def test_message_that_the_log_cannot_take_is_cut_noted_and_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laddvakt.eventlog.server.MAX_PAYLOAD_BYTES", 64 * 1024)
    async with mosquitto(tmp_path) as broker, running_log(settings_for(tmp_path / "log")) as log:
        async with subscribed(broker.own_url, log.appender) as subscriber:
            await asyncio.to_thread(publish, broker.url, METER, "x" * 100_000)
            (entry,) = await logged(log, lambda entries: len(entries) == 1)
            await subscriber.stop()
        assert entry.raw.startswith("xxx")
        assert isinstance(entry.facts[0], Quarantined)
        assert "too large" in entry.facts[0].detail
        held = Held()
        async with subscribed(broker.own_url, held):
            await asyncio.to_thread(publish, broker.url, METER, message(2))
            await eventually(lambda: held.raws)
            assert held.raws == [message(2)]


async def test_late_acknowledgement_does_not_hit_a_message_of_the_next_connection(tmp_path: Path) -> None:
    """Packet identifiers begin anew when the broker has lost our session."""
    async with mosquitto(tmp_path) as broker:
        held = Held()
        async with subscribed(broker.own_url, held) as subscriber:
            await asyncio.to_thread(publish, broker.url, METER, message(1))
            await eventually(lambda: held.raws == [message(1)])
            with device(broker.url, SUBSCRIBER, clean_session=True):  # takes our session and forgets it
                await eventually(lambda: not subscriber.connected)
            await eventually(lambda: subscriber.connected, deadline_s=15)
            await asyncio.to_thread(publish, broker.url, METER, message(2))
            await eventually(lambda: held.raws == [message(1), message(2)])
            held.waits[0].set_result(None)
            await asyncio.to_thread(publish, broker.url, METER, message(3))
            await eventually(lambda: len(held.raws) == 3)  # the acknowledgement had time to arrive
        again = Held()
        async with subscribed(broker.own_url, again):
            await eventually(lambda: again.raws == [message(2), message(3)], what="what was not durable")


@BROKERS
async def test_retained_message_of_unknown_age_is_not_taken_for_a_fresh_one(
    tmp_path: Path, broker_kind: Kind
) -> None:
    async with broker_kind(tmp_path / "broker") as broker:
        await asyncio.to_thread(publish, broker.url, METER, message(7), retain=True)
        dated = '{"power_w":8,"ts":"2026-11-20T10:00:00Z"}'
        await asyncio.to_thread(publish, broker.url, "laddvakt/SE-2/1/meter", dated, retain=True)
        held = Held()
        async with subscribed(broker.own_url, held):
            await eventually(lambda: len(held.entries) == 2)
            await asyncio.to_thread(publish, broker.url, METER, message(9), retain=True)
            await eventually(lambda: len(held.entries) == 3)
    of_kind = {entry.raw: type(entry.facts[0]) for entry in held.entries}
    assert of_kind == {message(7): NonConforming, dated: Measured, message(9): Measured}


async def test_unacknowledged_flood_of_qos_0_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("collector.mqtt.client.MOST_WAITING", 10)
    async with mosquitto(tmp_path) as broker:
        held = Held()
        async with subscribed(broker.own_url, held) as subscriber:

            def flood() -> None:
                with device(broker.url) as meter:
                    for number in range(30):
                        meter.client.publish(METER, message(number), qos=0)
                    assert meter.say(METER, message(99))

            await asyncio.to_thread(flood)
            await eventually(lambda: message(99) in held.raws)
            assert held.raws == [*(message(number) for number in range(10)), message(99)]
            assert subscriber.dropped == 20


async def test_broker_that_denies_our_topics_is_complained_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_server(settings_for(tmp_path)) as server:
        url = f"mqtt://127.0.0.1:{server.ports.mqtt_port}"
        reader = Reader()
        reader.topics = ("log/0",)  # which devices may not read
        denied = make(url, Held(), reader=reader)
        denied.start()
        await eventually(lambda: "does not let us read log/0" in caplog.text)
        await denied.stop()


# What devices may not do


def devices_url(folder: Path) -> str:
    """The broker in the log's own server, without our password."""
    return "mqtt://" + (mqtt_url(settings_for(folder)) or "").rpartition("@")[2]


@pytest.mark.parametrize(
    "topic",
    ["log/0", "log/1", "live/station", "live/pulse", "_INBOX/x/y", "$JS/API/STREAM/PURGE/LOG", "$SYS/x", "$KV/x"],
)
async def test_device_cannot_speak_into_the_log_or_the_feed(tmp_path: Path, topic: str) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        url = devices_url(tmp_path)
        heard: list[tuple[str, bytes]] = []
        await log.feed.subscribe(lambda kind, data: heard.append((kind, data)))
        before = await log.last_sequence()

        def intrude() -> None:
            with device(url) as intruder:
                intruder.say(topic, b"", wait_s=1)

        await asyncio.to_thread(intrude)
        await log.feed.publish("pulse", b"ours")
        await eventually(lambda: heard)
        assert heard == [("pulse", b"ours")]
        assert await log.last_sequence() == before


@pytest.mark.parametrize("topic", ["#", "log/#", "live/#", "live/station", "+/station", "_INBOX/#", "+/+/+"])
async def test_device_cannot_listen_to_the_log_or_the_feed(tmp_path: Path, topic: str) -> None:
    async with running_log(settings_for(tmp_path)) as log:
        url = devices_url(tmp_path)
        with device(url) as spy:
            spy.client.subscribe(topic, 0)
            await eventually(spy.subscribed.is_set)
            await log.appender.append(Entry(station_id="S", kind=EntryKind.MQTT, received_at=utc_now(), raw="x"))
            await log.feed.publish("station", b"secret")
            spy.client.subscribe("own/topic", 0)
            await asyncio.to_thread(publish, url, "own/topic", "seen")
            await eventually(lambda: ("own/topic", b"seen") in spy.heard)
            assert {name for name, _ in spy.heard} == {"own/topic"}
