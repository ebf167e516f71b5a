"""A whole live fleet: many stations, devices on a real broker, acknowledgements on file, a clean end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from laddvakt.clock import utc_now
from laddvakt.demo import demo_network
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.tokens import AuthorizationStatus
from simulator.fleet import FleetOptions, build_fleet, run_fleet
from simulator.mqtt import Devices
from simulator.spec import dialect_of, make_specs, specs_from_network
from tests.support import servers
from tests.support.csms import Csms
from tests.support.waiting import eventually, until


def test_every_station_comes_and_what_was_acknowledged_is_on_file(tmp_path: Path) -> None:
    acks, truth = tmp_path / "acks.jsonl", tmp_path / "truth.json"

    async def scene() -> list[tuple[str, str]]:
        async with Csms() as csms:
            options = FleetOptions(
                url=csms.url, stations=6, speed=20, meter_interval_s=0.5, faults=0.2, acks=acks, truth=truth
            )
            fleet = asyncio.create_task(run_fleet(options))
            await eventually(lambda: csms.actions().count("MeterValues") > 20, deadline_s=30)
            fleet.cancel()
            with suppress(asyncio.CancelledError):
                await fleet
            assert len({station for station, _ in csms.links}) == 6
            return [(station, frame[1]) for station, frame in csms.calls]

    sent = asyncio.run(scene())
    lines = [json.loads(line) for line in acks.read_text("utf-8").splitlines()]
    assert {frozenset(line) for line in lines} == {
        frozenset({"station_id", "action", "unique_id", "payload", "reply", "at"})
    }
    assert {(line["station_id"], line["unique_id"]) for line in lines} <= set(sent)
    assert len(sent) - len(lines) <= 6
    assert Counter((line["station_id"], line["unique_id"]) for line in lines).most_common(1)[0][1] == 1
    assert json.loads(truth.read_text("utf-8"))["faults"][0]["fault"] == "reported_fault"


def test_cancelling_before_any_server_is_there_ends_at_once() -> None:
    async def scene() -> None:
        fleet = asyncio.create_task(
            run_fleet(FleetOptions(url=f"ws://127.0.0.1:{servers.free_port()}", stations=3))
        )
        await asyncio.sleep(0.2)
        fleet.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(fleet, 5)
        assert fleet.done()

    asyncio.run(scene())


def test_why_stations_cannot_connect_is_said_once_not_for_each(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.fleet._COMPLAIN_AFTER_S", 0.0)

    async def scene() -> None:
        options = FleetOptions(url=f"ws://127.0.0.1:{servers.free_port()}", stations=10)
        fleet = asyncio.create_task(run_fleet(options))
        with caplog.at_level("WARNING", "simulator.fleet"):
            await eventually(lambda: caplog.records)
            await asyncio.sleep(0.5)
        fleet.cancel()
        with suppress(asyncio.CancelledError):
            await fleet

    asyncio.run(scene())
    assert len(caplog.records) == 1
    assert "attempts to connect failed" in caplog.text


def test_devices_deliver_what_they_measured_while_the_broker_was_away(mosquitto_server: servers.Mosquitto) -> None:
    heard: list[str] = []
    subscribed = threading.Event()
    listener = Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)

    def hear(client: Client, data: object, message: MQTTMessage) -> None:
        heard.append(f"{message.topic} {json.loads(message.payload)['n']}")

    listener.on_message = hear
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.reconnect_delay_set(1, 1)
    listener.connect("127.0.0.1", mosquitto_server.port)
    listener.subscribe("laddvakt/#", qos=1)
    listener.loop_start()
    devices = Devices(mosquitto_server.url, client_id="fleet")
    devices.start()
    try:
        assert subscribed.wait(10)
        devices.publish("laddvakt/S/telemetry", {"n": 1})
        until(lambda: "laddvakt/S/telemetry 1" in heard, what="the first message")
        mosquitto_server.stop()
        devices.publish("laddvakt/S/telemetry", {"n": 2})
        mosquitto_server.start()
        until(lambda: "laddvakt/S/telemetry 2" in heard, deadline_s=20, what="the message of the outage")
    finally:
        devices.stop()
        listener.disconnect()
        listener.loop_stop()


@pytest.mark.parametrize("url", ["http://broker", "mqtt://", "broker:1883"])
def test_a_wrong_broker_address_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="MQTT address"):
        Devices(url, client_id="x")


def test_the_same_seed_builds_the_same_fleet_and_a_share_has_devices() -> None:
    now_s = utc_now().timestamp()
    options = FleetOptions(url="ws://x", stations=60, mqtt_url="mqtt://x", mqtt_share=0.4)
    one, two = build_fleet(options, now_s), build_fleet(options, now_s)
    assert [station.spec for station in one] == [station.spec for station in two]
    with_devices = [station.options.mqtt for station in one]
    assert with_devices == [station.options.mqtt for station in two]
    assert 12 < sum(with_devices) < 36
    assert [station.next_at_s for station in one] == [station.next_at_s for station in two]


def test_a_network_gives_nameplates_and_only_accepted_tokens() -> None:
    network = demo_network(25)
    specs, tokens = specs_from_network(network)
    assert [spec.station_id for spec in specs] == [station.id for station in network.stations]
    assert {spec.current for spec in specs} == {"AC", "DC"}
    blocked = {token.id_tag for token in network.tokens if token.status is not AuthorizationStatus.ACCEPTED}
    assert blocked
    assert not blocked & set(tokens)
    bays = sum(len(spec.connectors) for spec in specs)
    assert len(tokens) >= bays


def test_stations_of_one_model_speak_one_dialect() -> None:
    by_model = {}
    for spec in make_specs(40):
        by_model.setdefault((spec.vendor, spec.model), set()).add(dialect_of(spec))
    assert {len(dialects) for dialects in by_model.values()} == {1}
