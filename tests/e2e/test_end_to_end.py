"""A station's message becomes a session, a ticket and a figure on the wall: the same on every set of backends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Page, expect

from tests.support import servers
from tests.support.installation import Installation, installation, wall
from tests.support.waiting import until


@pytest.fixture(params=["embedded", "servers"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """Everything embedded; then PostgreSQL, InfluxDB, Mosquitto and a NATS server instead."""
    environment: dict[str, str] = {}
    if request.param == "servers":
        influx: servers.Influx = request.getfixturevalue("influx_server")
        mosquitto: servers.Mosquitto = request.getfixturevalue("mosquitto_server")
        nats: servers.Nats = request.getfixturevalue("nats_server")
        environment = {
            "LADDVAKT_RECORDS__URL": request.getfixturevalue("postgres_url"),
            "LADDVAKT_TELEMETRY__URL": influx.url,
            "LADDVAKT_TELEMETRY__BUCKET": influx.fresh(),
            "LADDVAKT_MQTT__URL": mosquitto.url,
            "LADDVAKT_EVENTLOG__URL": nats.url,
        }
    with installation(tmp_path, **environment) as found:
        found.prepare()
        yield found


@pytest.fixture
def page(chromium: str, running: Installation) -> Iterator[Page]:
    """A browser in which erik, a maintainer, has signed in and looks at the wall."""
    with wall(chromium, running) as tab:
        yield tab


MORE = """
[[sites]]
id = "north"
name = "Norra"
[[stations]]
id = "SE-9"
site = "north"
[[stations.connectors]]
id = 1
"""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def values(**measurands: float) -> list[dict[str, Any]]:
    samples = [{"value": str(value), "measurand": name.replace("_", ".")} for name, value in measurands.items()]
    return [{"timestamp": now(), "sampledValue": samples}]


def publish(url: str, topic: str, payload: dict[str, float]) -> None:
    """One QoS 1 message; returns when the broker has it."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    host, _, port = url.removeprefix("mqtt://").partition(":")
    client.connect(host, int(port))
    client.loop_start()
    client.publish(topic, json.dumps(payload), qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_message_becomes_session_ticket_and_figure(running: Installation, page: Page) -> None:
    tile = page.locator(".tile", has_text="SE-1")
    with running.station("SE-1") as station:
        assert (
            station.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})["status"]
            == "Accepted"
        )
        station.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
        expect(tile).to_contain_text("Free", timeout=10_000)

        # A session lives on the wall and in the API.
        start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 100, "timestamp": now()}
        transaction = station.call("StartTransaction", start)["transactionId"]
        station.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"})
        measured = values(Energy_Active_Import_Register=350, Power_Active_Import=11000, SoC=42)
        station.call("MeterValues", {"connectorId": 1, "transactionId": transaction, "meterValue": measured})
        expect(tile).to_contain_text("11.0", timeout=5_000)
        expect(tile).to_contain_text("SEK")
        (live,) = until(lambda: running.items("/sessions", state="active"), what="the live session")
        assert (live["energy_wh"], live["power_w"], live["soc_pct"]) == (250, 11000.0, 42.0)
        assert (live["cable_id"], live["driver_id"], live["tariff_id"]) == ("CABLE-7", "D1", "T1")
        assert live["cost"]["incl_vat"] == {"amount": "1.25", "currency": "SEK"}

        # A device's message is beside it in the telemetry.
        publish(running.mqtt_url, "laddvakt/SE-1/1/meter", {"energy_wh": 351, "plug_temperature_c": 31.5})

        def stored() -> bool:
            found = running.get(f"/sessions/{live['session_id']}/telemetry")
            text = json.dumps(found)
            return "11000" in text

        until(stored, deadline_s=15, what="telemetry of the session")

        # A fault is on the wall within two seconds of its message, and its ticket is acknowledged there.
        station.call("StopTransaction", {"transactionId": transaction, "meterStop": 500, "timestamp": now()})
        fault = {"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted", "timestamp": now()}
        raised = time.monotonic()
        station.call("StatusNotification", fault)
        expect(tile).to_contain_text("Fault", timeout=2_000)
        ticket = page.locator(".ticket", has_text="SE-1")
        expect(ticket).to_be_visible(timeout=max(1, 2_000 - (time.monotonic() - raised) * 1000))

        ticket.click()
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.locator("#ticket-message")).to_have_text("Acknowledged.")
        (known,) = running.items("/tickets")
        assert (known["fault"], known["severity"], known["state"]) == ("reported_fault", "P1", "acknowledged")
        assert [event["actor"] for event in known["events"] if event["action"] == "acknowledged"] == ["erik"]

    (ended,) = running.items("/sessions", state="ended")
    assert (ended["energy_wh"], ended["cost"]["incl_vat"]["amount"]) == (400, "2.00")
    (row,) = running.get("/revenue", group_by="station", interval="day")["items"]
    assert (row["key"], row["sessions"], row["energy_wh"]) == ("SE-1", 1, 400)
    assert row["incl_vat"]["amount"] == "2.00"
    assert running.stop() == 0


def test_unknown_station_waits_until_it_is_imported(tmp_path: Path) -> None:
    with installation(tmp_path) as running:
        running.prepare()
        with running.station("SE-9") as station:
            reply = station.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
            assert reply["status"] == "Pending"
            network = tmp_path / "more.toml"
            network.write_text(MORE)
            running.cli("import", str(network))
            until(
                lambda: (
                    station.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})[
                        "status"
                    ]
                    == "Accepted"
                ),
                deadline_s=30,
                what="the station to be accepted",
            )


def test_second_up_on_the_same_data_is_refused_with_the_mend(tmp_path: Path) -> None:
    with installation(tmp_path) as running, pytest.raises(AssertionError, match="another `laddvakt up` runs"):
        running.cli("up")
