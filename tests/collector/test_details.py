"""What stations and vehicles say of themselves, from their words to the records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from collector.ocpp.commands import Command
from collector.recorder import Scribe
from laddvakt.domain.sessions import Session
from laddvakt.domain.stations import Station
from laddvakt.settings import RecordsSettings, Settings
from laddvakt.stores.ports import Records, SecurityEvent, Variable
from laddvakt.stores.sql.engine import open_records
from tests.support.payloads import HAPPY, STARTED
from tests.support.stations import Speaker, at, stamp

V2 = HAPPY["ocpp2.1"]


@pytest.fixture
def records() -> Iterator[Records]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    yield store
    store.close()


def record(records: Records, station: Speaker) -> None:
    Scribe(records, "key").apply(station.said)


def variables(records: Records) -> tuple[Variable, ...]:
    with records.read() as work:
        return work.inventory.page("SE-1").items


def security_events(records: Records) -> tuple[SecurityEvent, ...]:
    with records.read() as work:
        return work.security_log.page().items


def station_of(records: Records) -> Station:
    with records.read() as work:
        found = work.stations.get("SE-1")
    assert found is not None
    return found


def session_of(records: Records) -> Session:
    with records.read() as work:
        (session,) = work.sessions.page().items
    return session


def report(name: str, value: str, component: str = "OCPPCommCtrlr", **where: Any) -> dict[str, Any]:
    data = {
        "component": {"name": component, **where},
        "variable": {"name": name},
        "variableAttribute": [{"value": value}],
    }
    return {"requestId": 1, "seqNo": 0, "generatedAt": stamp(0), "reportData": [data]}


def test_reported_variables_are_the_inventory_and_the_newest_report_stands(records: Records) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call("NotifyReport", V2["NotifyReport"])
    station.call("NotifyReport", report("HeartbeatInterval", "90"), 10)
    station.call("NotifyReport", report("Power", "11000", "EVSE", evse={"id": 2}), 11)
    record(records, station)
    found = {item.variable_id: item.value for item in variables(records)}
    assert found == {
        "EVSE//2/Power//Actual": "11000",
        "OCPPCommCtrlr//0/HeartbeatInterval//Actual": "90",
        "OCPPCommCtrlr//0/HeartbeatInterval//MaxSet": "900",
    }
    assert [item.unit for item in variables(records)] == [None, None, "s"]


@pytest.mark.parametrize("name", ["BasicAuthPassword", "AuthorizationKey", "wifiPassphrase", "ApnPassword"])
def test_secrets_that_a_station_tells_are_not_kept_in_the_inventory(records: Records, name: str) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call("NotifyReport", report(name, "hunter2"))
    record(records, station)
    assert [(item.variable, item.value) for item in variables(records)] == [(name, None)]


def ask(station: Speaker, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> None:
    """A call of ours, and what the station says to it."""
    command = Command("c1", action, payload)
    station.link.outbox.submit(command)
    assert station.link.outbox.next() == command
    station.text(json.dumps([3, "c1", answer]))


def test_configuration_that_a_station_tells_is_its_inventory(records: Records) -> None:
    station = Speaker()
    keys = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
        {"key": "AuthorizationKey", "readonly": False, "value": "hunter2"},
    ]
    ask(station, "GetConfiguration", {}, {"configurationKey": keys, "unknownKey": ["Colour"]})
    ask(station, "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}, {"status": "Accepted"})
    ask(station, "ChangeConfiguration", {"key": "NumberOfConnectors", "value": "9"}, {"status": "Rejected"})
    record(records, station)
    assert [(item.variable, item.value, item.mutability) for item in variables(records)] == [
        ("AuthorizationKey", None, "ReadWrite"),
        ("HeartbeatInterval", "60", "ReadWrite"),
        ("NumberOfConnectors", "2", "ReadOnly"),
    ]


def test_variables_that_a_station_tells_and_takes_keep_what_is_known_of_them(records: Records) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call("NotifyReport", V2["NotifyReport"])
    where = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    other = {"component": {"name": "EVSE", "evse": {"id": 2}}, "variable": {"name": "Power"}}
    asked = {"setVariableData": [{**where, "attributeValue": "90"}, {**other, "attributeValue": "1"}]}
    said = [{**other, "attributeStatus": "Rejected"}, {**where, "attributeStatus": "Accepted"}]
    ask(station, "SetVariables", asked, {"setVariableResult": said})
    got = [{**other, "attributeStatus": "Accepted", "attributeValue": "11000"}]
    got += [{**where, "attributeStatus": "UnknownVariable", "attributeValue": "0"}]
    ask(station, "GetVariables", {"getVariableData": [other, where]}, {"getVariableResult": got})
    record(records, station)
    found = [(item.variable, item.attribute, item.value, item.unit) for item in variables(records)]
    assert found == [
        ("Power", "Actual", "11000", None),
        ("HeartbeatInterval", "Actual", "90", "s"),
        ("HeartbeatInterval", "MaxSet", "900", "s"),
    ]


@pytest.mark.parametrize("answer", [{}, {"configurationKey": [{"key": 5}]}, {"configurationKey": "none"}])
def test_answer_that_cannot_be_read_tells_nothing(records: Records, answer: dict[str, Any]) -> None:
    station = Speaker()
    ask(station, "GetConfiguration", {}, answer)
    record(records, station)
    assert variables(records) == ()


def test_security_events_are_kept_once_however_often_the_log_is_replayed(records: Records) -> None:
    station = Speaker()
    event = {"type": "TamperDetectionActivated", "timestamp": stamp(-5), "techInfo": "lid"}
    station.call("SecurityEventNotification", event)
    record(records, station)
    record(records, station)
    (kept,) = security_events(records)
    assert (kept.station_id, kept.event, kept.info) == ("SE-1", "TamperDetectionActivated", "lid")
    assert (kept.at, kept.received_at) == (at(-5), at(0))


def test_updates_and_uploads_show_on_the_station(records: Records) -> None:
    station = Speaker()
    station.call("FirmwareStatusNotification", {"status": "Downloading"})
    station.call("DiagnosticsStatusNotification", {"status": "Uploading"})
    station.call("SignedFirmwareStatusNotification", {"status": "InvalidSignature"}, 5)
    record(records, station)
    found = station_of(records)
    assert (found.firmware_status, found.diagnostics_status) == ("InvalidSignature", "Uploading")


def test_limit_from_outside_shows_on_its_connector_until_it_is_cleared(records: Records) -> None:
    station = Speaker(protocol="ocpp2.1")
    for evse in (1, 2):
        station.call("StatusNotification", {**V2["StatusNotification"], "evseId": evse})
    station.call("NotifyChargingLimit", V2["NotifyChargingLimit"])
    record(records, station)
    assert [c.limited_by for c in station_of(records).connectors] == [None, "SO"]
    station.call("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}})
    record(records, station)
    assert [c.limited_by for c in station_of(records).connectors] == ["EMS", "EMS"]
    station.call("ClearedChargingLimit", {"chargingLimitSource": "EMS"})
    record(records, station)
    assert [c.limited_by for c in station_of(records).connectors] == [None, None]


NEEDS = {
    "requestedEnergyTransfer": "DC",
    "departureTime": stamp(7200),
    "dcChargingParameters": {
        "evMaxCurrent": 200,
        "evMaxVoltage": 500,
        "energyAmount": 40_000,
        "stateOfCharge": 18,
    },
}


@pytest.mark.parametrize(("protocol", "answer"), [("ocpp2.0.1", "Rejected"), ("ocpp2.1", "NoChargingProfile")])
def test_what_a_vehicle_asks_for_shows_on_its_session(records: Records, protocol: str, answer: str) -> None:
    station = Speaker(protocol=protocol)
    station.call("TransactionEvent", STARTED)
    assert station.call("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": NEEDS}, 5)[2] == {"status": answer}
    station.call("NotifyEVChargingNeeds", V2["NotifyEVChargingNeeds"], 6)
    record(records, station)
    session = session_of(records)
    assert (session.requested_energy_wh, session.departure_at, session.soc_pct) == (40_000, at(7200), 18.0)


@pytest.mark.parametrize(
    "needs",
    [
        {"departureTime": "1970-01-01T00:00:00Z"},
        {"departureTime": "soon"},
        {"acChargingParameters": {"energyAmount": -1, "evMinCurrent": 6, "evMaxCurrent": 32, "evMaxVoltage": 400}},
        {"dcChargingParameters": {"evMaxCurrent": 1, "evMaxVoltage": 1, "energyAmount": 10**12}},
    ],
)
def test_wishes_that_cannot_be_are_left_out(records: Records, needs: dict[str, Any]) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call("TransactionEvent", STARTED)
    payload = {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC", **needs}}
    assert station.call("NotifyEVChargingNeeds", payload)[0] == 3
    record(records, station)
    session = session_of(records)
    assert (session.requested_energy_wh, session.departure_at, session.soc_pct) == (None, None, None)
