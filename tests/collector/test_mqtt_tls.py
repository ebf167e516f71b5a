"""The subscriber at a real Mosquitto: both versions of MQTT, client certificates, persistent sessions."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, cast

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collector.mqtt.access import point_at
from collector.mqtt.client import OTHER_TOPICS, BadTopics, MqttSubscriber
from collector.mqtt.mapping_file import load_mappings, ready_names
from collector.mqtt.mappings import Reader
from collector.mqtt.native import read_message
from collector.mqtt.probe import refusal
from collector.mqtt.sparkplug import Payload
from laddvakt.clock import utc_now
from laddvakt.domain.entries import Entry
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.facts import Measured
from laddvakt.eventlog.address import mqtt_url
from laddvakt.eventlog.appender import Appender
from laddvakt.settings import MqttSettings
from tests.support.authority import Authority, Pair
from tests.support.eventlog import running_log, settings_for
from tests.support.servers import Mosquitto, mosquitto
from tests.support.stations import T0
from tests.support.waiting import eventually, until

PROTOCOLS = ("3.1.1", "5")
MAPPING = """
[[mappings]]
use = "tasmota"
[mappings.devices]
"plug-7" = "SE-1/2"
"""


class Broker(NamedTuple):
    """A broker that demands client certificates, and what is needed to get in."""

    server: Mosquitto
    authority: Authority
    ours: Pair
    strangers: Pair

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.server.port}"

    def settings(self, **changes: object) -> MqttSettings:
        given = {
            "url": self.url,
            "ca_file": str(self.authority.ca_file),
            "cert_file": str(self.ours.cert),
            "key_file": str(self.ours.key),
        }
        return MqttSettings.model_validate({**given, **changes})


class Log:
    """Stands for the event log: `durable` says whether entries are taken for good at once."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.durable = True

    def append(self, entry: Entry) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.entries.append(entry)
        if self.durable:
            future.set_result(None)
        return future


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("tls")
    authority, strangers = Authority(folder), Authority(folder, "Another CA")
    certificate = authority.issue("broker")
    options = [
        f"cafile {authority.ca_file}", f"certfile {certificate.cert}", f"keyfile {certificate.key}",
        "require_certificate true", "use_identity_as_username true", "max_inflight_messages 0",
    ]  # fmt: skip
    with mosquitto(options=options) as server:
        yield Broker(server, authority, authority.issue("collector"), strangers.issue("stranger"))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    path = tmp_path / "mappings.toml"
    path.write_text(MAPPING, "utf-8")
    return Reader(load_mappings([path]))


@asynccontextmanager
async def subscribed(settings: MqttSettings, reader: Reader, log: Log) -> AsyncIterator[MqttSubscriber]:
    subscriber = MqttSubscriber(lambda: settings.url, settings, cast("Appender", log), utc_now, reader)
    subscriber.start()
    try:
        await eventually(lambda: subscriber.connected, what="the subscription")
        yield subscriber
    finally:
        await subscriber.stop()


@pytest.fixture
def publish(broker: Broker) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2, "device")
    context = ssl.create_default_context(cafile=str(broker.authority.ca_file))
    context.load_cert_chain(broker.ours.cert, broker.ours.key)
    client.tls_set_context(context)
    client.connect("127.0.0.1", broker.server.port)
    client.loop_start()
    until(client.is_connected, what="the device's connection")
    yield client
    client.disconnect()
    client.loop_stop()


def say(client: paho.Client, topic: str, payload: str | bytes) -> None:
    client.publish(topic, payload, qos=1).wait_for_publish(10)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_messages_of_mapped_and_native_topics_arrive_over_tls(
    broker: Broker, reader: Reader, publish: paho.Client, protocol: str
) -> None:
    log = Log()
    settings = broker.settings(protocol=protocol, client_id=f"arrive-{protocol}")
    async with subscribed(settings, reader, log) as subscriber:
        say(publish, "tele/plug-7/SENSOR", '{"ENERGY": {"Total": 1.5, "Power": 3600}}')
        say(publish, "laddvakt/SE-1/1/meter", '{"power_w": 1}')
        say(publish, "laddvakt/SE-1/1/meter", "nonsense")
        say(publish, "tele/elsewhere/SENSOR", "{}")
        await eventually(lambda: len(log.entries) == 4, what="four messages")
        assert subscriber.totals() == {
            "mqtt_messages": 4, "mqtt_dropped": 0, "mqtt_passed_over": 0, "mqtt_bad": 2, "mqtt_bad_topics": 2,
        }  # fmt: skip
    fact = log.entries[0].facts[0]
    assert isinstance(fact, Measured)
    assert (log.entries[0].station_id, fact.connector_id) == ("SE-1", 2)
    assert {reading.field: reading.value for reading in fact.readings} == {"energy_wh": 1500, "power_w": 3600}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_broker_keeps_messages_while_the_collector_is_away(
    broker: Broker, reader: Reader, publish: paho.Client, protocol: str
) -> None:
    log = Log()
    settings = broker.settings(protocol=protocol, client_id=f"away-{protocol}")
    async with subscribed(settings, reader, log):
        pass
    for number in range(50):
        say(publish, "laddvakt/SE-1/1/meter", f'{{"energy_wh": {number}}}')
    async with subscribed(settings, reader, log):
        await eventually(lambda: len(log.entries) >= 50, what="what was said meanwhile")
    assert [entry.raw for entry in log.entries] == [f'{{"energy_wh": {number}}}' for number in range(50)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_message_that_the_log_never_took_comes_again(
    broker: Broker, reader: Reader, publish: paho.Client, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.mqtt.client.STOP_S", 0.05)
    log = Log()
    log.durable = False
    settings = broker.settings(protocol=protocol, client_id=f"again-{protocol}")
    async with subscribed(settings, reader, log):
        say(publish, "laddvakt/SE-1/1/meter", '{"energy_wh": 7}')
        await eventually(lambda: log.entries, what="the message")
    log.durable = True
    async with subscribed(settings, reader, log):
        await eventually(lambda: len(log.entries) == 2, what="the same message again")
    assert log.entries[0].raw == log.entries[1].raw


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_certificates_decide_who_gets_in(broker: Broker, protocol: str) -> None:
    assert refusal(broker.url, broker.settings(protocol=protocol)) is None
    stranger = broker.settings(
        protocol=protocol, cert_file=str(broker.strangers.cert), key_file=str(broker.strangers.key)
    )
    assert refusal(broker.url, stranger) is not None
    distrustful = refusal(broker.url, broker.settings(protocol=protocol, ca_file=""))
    assert distrustful is not None
    assert "certificate verify failed" in distrustful


async def test_two_versions_hear_the_same_without_tls(reader: Reader, mosquitto_server: Mosquitto) -> None:
    heard = []
    for protocol in PROTOCOLS:
        log = Log()
        settings = MqttSettings.model_validate(
            {"url": mosquitto_server.url, "protocol": protocol, "client_id": protocol}
        )
        async with subscribed(settings, reader, log):
            client = paho.Client(CallbackAPIVersion.VERSION2, "device")
            client.connect("127.0.0.1", mosquitto_server.port)
            client.loop_start()
            say(client, "tele/plug-7/SENSOR", '{"ENERGY": {"Power": 5}}')
            client.disconnect()
            client.loop_stop()
            await eventually(lambda log=log: log.entries, what="the message")
        heard.append(log.entries[0].raw)
    assert heard == ['{"ENERGY": {"Power": 5}}'] * 2


async def test_embedded_broker_takes_the_topics_of_all_ready_mappings(tmp_path: Path) -> None:
    path = tmp_path / "mappings.toml"
    owners = 'devices = { "d" = "SE-1/1", "g/n/d" = "SE-1/2" }\n'
    metric = 'fields = [{ field = "power_w", metric = "P" }]\n'
    path.write_text(
        "".join(
            f'[[mappings]]\nuse = "{name}"\n{owners}{metric if name == "sparkplug_b" else ""}'
            for name in ready_names()
        ),
        "utf-8",
    )
    settings = settings_for(tmp_path / "data")
    log = Log()
    async with running_log(settings):
        url = mqtt_url(settings)
        assert url is not None
        here = settings.mqtt.model_copy(update={"url": url})
        async with subscribed(here, Reader(load_mappings([path])), log):
            device = paho.Client(CallbackAPIVersion.VERSION2, "device")
            device.connect(*point_at(device, url, here))
            device.loop_start()
            payload = Payload(metrics=[{"name": "P", "datatype": 10, "double_value": 5.0}]).SerializeToString()
            await asyncio.to_thread(say, device, "spBv1.0/g/DDATA/n/d", payload)
            await asyncio.to_thread(say, device, "d/status/switch:0", '{"apower": 6}')
            await asyncio.to_thread(say, device, "meters/d", '{"1-0:1.7.0": 0.007}')
            device.disconnect()
            device.loop_stop()
            await eventually(lambda: len(log.entries) == 3, what="three messages")
    facts = [fact for entry in log.entries for fact in entry.facts]
    assert sorted(r.value for fact in facts if isinstance(fact, Measured) for r in fact.readings) == [5, 6, 7]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"url": "mqtt://127.0.0.1"}, "mqtt.url is without it"),
        ({"cert_file": ""}, "key_file stands without cert_file"),
        ({"ca_file": "/nowhere/ca.pem"}, "mqtt.ca_file: cannot read /nowhere/ca.pem"),
        ({"url": "embedded:", "protocol": "5"}, "the embedded broker speaks MQTT 3.1.1"),
        ({"key_file": "{stranger}"}, "do not make a client certificate"),
        ({"cert_file": __file__}, "is not a PEM file"),
    ],
)
def test_settings_that_do_not_go_together_are_told(broker: Broker, changes: dict[str, str], told: str) -> None:
    given = {key: value.replace("{stranger}", str(broker.strangers.key)) for key, value in changes.items()}
    settings = broker.settings(**given)
    with pytest.raises(SettingsError, match=told):
        refusal(settings.url, settings)


def test_bad_topics_are_counted_in_bounded_memory() -> None:
    bad = BadTopics()
    for number in range(1500):
        bad.note(read_message(f"odd/{number}", b"x", T0))
    bad.note(read_message("odd/3", b"x", T0))
    bad.note(read_message("laddvakt/SE-1/1/meter", b'{"power_w": 1}', T0))
    assert (len(bad.counts), bad.counts["odd/3"], bad.counts[OTHER_TOPICS]) == (1001, 2, 500)
    assert bad.counts.total() == 1501
