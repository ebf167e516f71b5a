"""A station of OCPP 2.0.1 or 2.1: the same drivers and physics, told in TransactionEvents."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from laddvakt.domain.times import parse_time
from simulator.bay import Fault
from simulator.spec import StationSpec, dialect_of
from simulator.speech import speech_of
from tests.support.central import AC, AC_ONE, DC, Central, Said, make_station, schema_2x

VERSIONS = ["ocpp2.0.1", "ocpp2.1"]


def speaking(spec: StationSpec, protocol: str) -> StationSpec:
    return msgspec.structs.replace(spec, protocol=protocol)


def run(spec: StationSpec, seconds: float, protocol: str = "ocpp2.0.1", **options: Any) -> Central:
    central = Central(make_station(speaking(spec, protocol), **options))
    central.connect()
    central.run(seconds)
    return central


def by_transaction(central: Central) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = {}
    for call in central.calls("TransactionEvent"):
        found.setdefault(call.payload["transactionInfo"]["transactionId"], []).append(call)
    return found


def energy_wh(event: dict[str, Any]) -> float:
    for sample in event["meterValue"][-1]["sampledValue"]:
        if sample["measurand"] == "Energy.Active.Import.Register":
            return float(sample["value"]) * (1000 if sample["unitOfMeasure"]["unit"] == "kWh" else 1)
    raise AssertionError("no register")


@pytest.mark.parametrize("protocol", VERSIONS)
@pytest.mark.parametrize("spec", [AC, AC_ONE, DC], ids=lambda spec: spec.model)
def test_every_call_keeps_to_the_official_schema(spec: StationSpec, protocol: str) -> None:
    central = Central(make_station(speaking(spec, protocol), firmware_updates_per_day=8.0))
    central.connect()
    central.run(3600)
    central.station.bays[1].raise_fault(Fault("GroundFailure", "34 mA", "CX002"), central.now_s)
    central.run(5 * 3600)
    seen = Counter(call.action for call in central.said)
    assert set(seen) == {
        "BootNotification",
        "Heartbeat",
        "StatusNotification",
        "Authorize",
        "TransactionEvent",
        "FirmwareStatusNotification",
        "NotifyEvent",
    }
    validators = {action: schema_2x(protocol, f"{action}Request") for action in seen}
    for call in central.said:
        validators[call.action].validate(call.payload)


@pytest.mark.parametrize("protocol", VERSIONS)
def test_events_of_a_transaction_are_numbered_without_gaps_from_start_to_end(protocol: str) -> None:
    transactions = by_transaction(run(AC, 3600, protocol))
    ended = [calls for calls in transactions.values() if calls[-1].payload["eventType"] == "Ended"]
    assert len(ended) > 4
    for calls in ended:
        assert [call.payload["seqNo"] for call in calls] == list(range(len(calls)))
        assert calls[0].payload["eventType"] == "Started"
        assert energy_wh(calls[-1].payload) >= energy_wh(calls[0].payload)


def test_a_connector_is_occupied_while_a_vehicle_is_there() -> None:
    central = run(AC_ONE, 900)
    said = [call.payload["connectorStatus"] for call in central.calls("StatusNotification")]
    assert said[0] == "Available"
    assert set(said) == {"Available", "Occupied"}


def test_a_fault_comes_with_its_code_in_an_event() -> None:
    central = run(AC_ONE, 5)
    central.station.bays[1].raise_fault(Fault("GroundFailure", "residual current 34 mA", "CX002"), central.now_s)
    central.run(400)
    event = central.calls("NotifyEvent")[-1].payload["eventData"][0]
    assert (event["techCode"], event["techInfo"]) == ("CX002", "residual current 34 mA")
    assert central.calls("StatusNotification")[-1].payload["connectorStatus"] == "Faulted"


def test_what_happened_offline_is_told_later_in_order_and_says_so() -> None:
    central = run(AC_ONE, 1, session_s=(60, 90))
    central.cut()
    cut_s, before = central.now_s, len(central.said)
    central.run(1800)
    reconnected_s = central.now_s
    central.connect()
    central.run(120)
    told = [call.payload for call in central.said[before:] if call.action == "TransactionEvent"]
    for event in told:
        at = parse_time(event["timestamp"])
        assert at is not None
        assert event["offline"] is (cut_s <= at.timestamp() < reconnected_s)
    offline = [event for event in told if event["offline"]]
    assert [event["timestamp"] for event in offline] == sorted(event["timestamp"] for event in offline)
    assert [event["eventType"] for event in offline].count("Started") >= 2


def test_an_unanswered_event_is_sent_again_unchanged() -> None:
    central = Central(make_station(speaking(AC_ONE, "ocpp2.0.1")))
    central.answer = lambda call: None if call.action == "TransactionEvent" else central.accept(call)
    central.connect()
    central.run(200)
    events = central.calls("TransactionEvent")
    assert len(events) >= 3
    assert len({(event.unique_id, str(event.payload)) for event in events}) == 1


def test_a_driver_who_is_refused_does_not_charge() -> None:
    central = Central(make_station(speaking(AC_ONE, "ocpp2.0.1")))
    central.answer = lambda call: (
        {"idTokenInfo": {"status": "Invalid"}} if call.action == "Authorize" else central.accept(call)
    )
    central.connect()
    central.run(60)
    assert central.calls("Authorize")
    assert not central.calls("TransactionEvent")


def test_a_start_that_is_not_accepted_ends_as_deauthorised() -> None:
    central = Central(make_station(speaking(AC_ONE, "ocpp2.0.1")))
    central.answer = lambda call: (
        {"idTokenInfo": {"status": "Blocked"}}
        if call.action == "TransactionEvent" and call.payload["eventType"] == "Started"
        else central.accept(call)
    )
    central.connect()
    central.run(60)
    ended = next(c.payload for c in central.calls("TransactionEvent") if c.payload["eventType"] == "Ended")
    assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"


def ask(central: Central, action: str, payload: dict[str, Any], protocol: str = "ocpp2.0.1") -> dict[str, Any]:
    schema_2x(protocol, f"{action}Request").validate(payload)
    central.send([2, "ask", action, payload])
    frame = central.answers[-1]
    assert frame[:2] == [3, "ask"], frame
    schema_2x(protocol, f"{action}Response").validate(frame[2])
    answer: dict[str, Any] = frame[2]
    return answer


def charging(protocol: str = "ocpp2.0.1") -> Central:
    central = Central(make_station(speaking(AC_ONE, protocol), session_s=(900, 1000)))
    central.connect()
    while central.station.bays[1].transaction is None:
        central.run(1)
    central.run(15)
    return central


def test_a_remote_start_names_its_request() -> None:
    central = Central(make_station(speaking(AC_ONE, "ocpp2.0.1")))
    central.connect()
    while central.station.bays[1].visit is None:
        central.run(1)
    token = {"idToken": "REMOTE", "type": "Central"}
    asked = {"idToken": token, "remoteStartId": 77, "evseId": 1}
    assert ask(central, "RequestStartTransaction", asked) == {"status": "Accepted"}
    central.run(2)
    started = central.calls("TransactionEvent")[0].payload
    assert started["transactionInfo"]["remoteStartId"] == 77
    assert started["idToken"]["idToken"] == "REMOTE"


def test_a_remote_stop_ends_the_named_transaction() -> None:
    central = charging()
    name = central.calls("TransactionEvent")[0].payload["transactionInfo"]["transactionId"]
    assert ask(central, "RequestStopTransaction", {"transactionId": "other"}) == {"status": "Rejected"}
    assert ask(central, "RequestStopTransaction", {"transactionId": name}) == {"status": "Accepted"}
    central.run(2)
    assert central.calls("TransactionEvent")[-1].payload["transactionInfo"]["stoppedReason"] == "Remote"


def test_a_reset_boots_again_and_says_why() -> None:
    central = charging()
    assert ask(central, "Reset", {"type": "Immediate"}) == {"status": "Accepted"}
    central.run(60)
    central.connect()
    central.run(5)
    assert [call.payload["reason"] for call in central.calls("BootNotification")] == ["PowerUp", "RemoteReset"]


@pytest.mark.parametrize("message", ["BootNotification", "Heartbeat", "StatusNotification", "TransactionEvent"])
def test_a_triggered_message_comes(message: str) -> None:
    central = charging()
    before = len(central.calls(message))
    asked = {"requestedMessage": "MeterValues" if message == "TransactionEvent" else message}
    assert ask(central, "TriggerMessage", asked) == {"status": "Accepted"}
    central.run(3)
    assert len(central.calls(message)) > before


def test_variables_are_read_changed_and_reported() -> None:
    central = charging()
    interval = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
    unknown = {"component": {"name": "Toaster"}, "variable": {"name": "Browning"}}
    done = ask(central, "SetVariables", {"setVariableData": [{**interval, "attributeValue": "30"}]})
    assert done["setVariableResult"][0]["attributeStatus"] == "Accepted"
    found = ask(central, "GetVariables", {"getVariableData": [interval, unknown]})["getVariableResult"]
    assert found[0]["attributeValue"] == "30"
    assert found[1]["attributeStatus"] == "UnknownVariable"
    assert ask(central, "GetBaseReport", {"requestId": 5, "reportBase": "FullInventory"}) == {"status": "Accepted"}
    central.run(2)
    report = central.calls("NotifyReport")[-1].payload
    schema_2x("ocpp2.0.1", "NotifyReportRequest").validate(report)
    assert report["requestId"] == 5


def test_out_of_service_and_unlock() -> None:
    central = charging()
    asked = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    assert ask(central, "ChangeAvailability", asked) == {"status": "Scheduled"}
    assert ask(central, "UnlockConnector", {"evseId": 7, "connectorId": 1}) == {"status": "UnknownConnector"}
    assert ask(central, "UnlockConnector", {"evseId": 1, "connectorId": 1}) == {"status": "Unlocked"}


def test_what_is_not_implemented_says_so() -> None:
    central = charging()
    central.send([2, "ask", "GetLog", {}])
    assert central.answers[-1][2] == "NotImplemented"


def test_a_version_that_no_station_speaks_is_refused() -> None:
    with pytest.raises(KeyError):
        speech_of("ocpp1.5")


def test_temperatures_come_as_events_of_the_parts_that_have_them() -> None:
    spec = next(one for one in (AC, AC_ONE, DC) if dialect_of(one).temperature)
    central = run(spec, 1200)
    told = [event for call in central.calls("NotifyEvent") for event in call.payload["eventData"]]
    told = [event for event in told if event["variable"]["name"] == "Temperature"]
    assert {event["component"]["name"] for event in told} == {"Connector", "TemperatureSensor"}
    assert all(-30 < float(event["actualValue"]) < 90 for event in told)
    times = [call.at_s for call in central.calls("NotifyEvent")]
    assert len(times) > 5
