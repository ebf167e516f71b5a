"""Native MQTT topics: every payload is readings, or quarantined with its reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.mqtt.native import read_message
from laddvakt.domain.facts import Measured, Quarantined, QuarantineReason
from tests.support.stations import T0, at, stamp


def test_meter_message_is_readings_of_its_connector() -> None:
    payload = json.dumps({"energy_wh": 1200, "power_w": 11000.5, "ts": stamp(-5)}).encode()
    entry = read_message("laddvakt/SE-1/2/meter", payload, T0)
    (fact,) = entry.facts
    assert isinstance(fact, Measured)
    assert (entry.station_id, fact.connector_id, fact.source, fact.at) == ("SE-1", 2, "mqtt", at(-5))
    assert {reading.field: reading.value for reading in fact.readings} == {"energy_wh": 1200.0, "power_w": 11000.5}


def test_telemetry_message_belongs_to_the_whole_station() -> None:
    entry = read_message("laddvakt/SE-1/telemetry", b'{"door_open": true, "rssi_dbm": -71}', T0)
    (fact,) = entry.facts
    assert isinstance(fact, Measured)
    assert fact.connector_id == 0
    assert fact.readings[0].value == 1.0


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("laddvakt/SE-1/1/meter", b"not json"),
        ("laddvakt/SE-1/1/meter", b"[1]"),
        ("laddvakt/SE-1/1/meter", b"{}"),
        ("laddvakt/SE-1/1/meter", b'{"energy_wh": "many"}'),
        ("laddvakt/SE-1/1/meter", b'{"Energy": 1}'),
        ("laddvakt/SE-1/1/meter", b'{"energy_wh": 1e999}'),
        ("laddvakt/SE-1/one/meter", b'{"energy_wh": 1}'),
        ("something/else", b'{"energy_wh": 1}'),
        ("laddvakt/SE-1/1/meter", b"\xff\xfe"),
        ("laddvakt/SE-1/1/meter", json.dumps({f"f{n}": n for n in range(300)}).encode()),
    ],
)
def test_unreadable_message_is_quarantined_with_its_reason(topic: str, payload: bytes) -> None:
    entry = read_message(topic, payload, T0)
    (fact,) = entry.facts
    assert isinstance(fact, Quarantined)
    assert fact.reason is QuarantineReason.BAD_MQTT_PAYLOAD
    assert entry.topic == topic


def test_one_bad_field_does_not_cost_the_others() -> None:
    entry = read_message("laddvakt/SE-1/1/meter", b'{"energy_wh": 5, "power_w": null}', T0)
    good, bad = entry.facts
    assert isinstance(good, Measured)
    assert isinstance(bad, Quarantined)


def test_unreadable_time_falls_back_to_receipt_and_is_noted() -> None:
    entry = read_message("laddvakt/SE-1/1/meter", b'{"energy_wh": 5, "ts": "yesterday"}', T0)
    good, bad = entry.facts
    assert good.at == T0
    assert isinstance(bad, Quarantined)


@given(
    st.text(),
    st.binary() | st.dictionaries(st.text(), st.integers() | st.text()).map(lambda d: json.dumps(d).encode()),
)
def test_any_message_gets_facts_and_never_fails(topic: str, payload: bytes) -> None:
    assert read_message(topic, payload, T0).facts
    assert read_message("laddvakt/S/1/meter", payload, T0).facts
