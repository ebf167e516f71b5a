"""What a simulated station does when the central system asks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from simulator.bay import Fault
from tests.support.central import AC, AC_ONE, Central, make_station, schema


def charging() -> Central:
    central = Central(make_station(AC, session_s=(3000, 4000)))
    central.connect()
    central.run(90)
    assert central.station.bays[1].transaction is not None
    return central


def ask(central: Central, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    central.send([2, "ask", action, payload])
    frame = central.answers[-1]
    assert frame[:2] == [3, "ask"]
    schema(f"{action}Response").validate(frame[2])
    answer: dict[str, Any] = frame[2]
    return answer


def test_an_unknown_action_is_not_implemented() -> None:
    central = charging()
    central.send([2, "ask", "MakeCoffee", {}])
    assert central.answers[-1][:3] == [4, "ask", "NotImplemented"]


def test_a_remote_stop_ends_that_transaction() -> None:
    central = charging()
    number = central.station.bays[1].transaction.id  # type: ignore[union-attr]  # charging() has made sure
    assert ask(central, "RemoteStopTransaction", {"transactionId": number}) == {"status": "Accepted"}
    central.run(5)
    stop = central.calls("StopTransaction")[-1].payload
    assert (stop["transactionId"], stop["reason"]) == (number, "Remote")
    assert ask(central, "RemoteStopTransaction", {"transactionId": number}) == {"status": "Rejected"}


def test_a_remote_start_needs_a_vehicle() -> None:
    central = charging()
    assert ask(central, "RemoteStartTransaction", {"idTag": "A", "connectorId": 1}) == {"status": "Rejected"}


def test_a_remote_start_begins_with_the_given_tag() -> None:
    central = Central(make_station(AC_ONE))
    central.connect()
    while central.station.bays[1].visit is None:
        central.run(1)
    assert ask(central, "RemoteStartTransaction", {"idTag": "REMOTE", "connectorId": 1}) == {"status": "Accepted"}
    central.run(2)
    assert [call.payload["idTag"] for call in central.calls("StartTransaction")] == ["REMOTE"]


def test_a_reset_ends_sessions_and_boots_again() -> None:
    central = charging()
    assert ask(central, "Reset", {"type": "Soft"}) == {"status": "Accepted"}
    central.run(5)
    assert not central.connected
    central.run(60)
    central.connect()
    central.run(5)
    assert len(central.calls("BootNotification")) == 2
    assert {call.payload["reason"] for call in central.calls("StopTransaction")} == {"SoftReset"}


@pytest.mark.parametrize(
    "message", ["BootNotification", "Heartbeat", "StatusNotification", "MeterValues", "FirmwareStatusNotification"]
)
def test_a_triggered_message_comes(message: str) -> None:
    central = charging()
    before = len(central.calls(message))
    assert ask(central, "TriggerMessage", {"requestedMessage": message}) == {"status": "Accepted"}
    central.run(3)
    assert len(central.calls(message)) > before


def test_what_cannot_be_triggered_says_so() -> None:
    asked = {"requestedMessage": "DiagnosticsStatusNotification"}
    assert ask(charging(), "TriggerMessage", asked) == {"status": "NotImplemented"}


def test_out_of_service_waits_for_the_session() -> None:
    central = charging()
    central.run(30)
    asked = {"connectorId": 1, "type": "Inoperative"}
    assert ask(central, "ChangeAvailability", asked) == {"status": "Scheduled"}
    central.run(5000)
    assert central.statuses()[-1] == "Unavailable"
    assert ask(central, "ChangeAvailability", {"connectorId": 1, "type": "Operative"}) == {"status": "Accepted"}
    central.run(2)
    assert central.statuses()[-1] == "Available"
    assert ask(central, "ChangeAvailability", {"connectorId": 9, "type": "Operative"}) == {"status": "Rejected"}


def test_settings_are_read_and_changed() -> None:
    central = charging()
    changed = ask(central, "ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "30"})
    assert changed == {"status": "Accepted"}
    answer = ask(central, "GetConfiguration", {"key": ["MeterValueSampleInterval", "Nonsense"]})
    assert answer["configurationKey"] == [{"key": "MeterValueSampleInterval", "readonly": False, "value": "30"}]
    assert answer["unknownKey"] == ["Nonsense"]
    for key, value, status in (("Nonsense", "1", "NotSupported"), ("HeartbeatInterval", "soon", "Rejected")):
        assert ask(central, "ChangeConfiguration", {"key": key, "value": value}) == {"status": status}


def test_a_broken_lock_does_not_unlock() -> None:
    central = charging()
    assert ask(central, "UnlockConnector", {"connectorId": 7}) == {"status": "NotSupported"}
    central.station.bays[2].raise_fault(Fault("ConnectorLockFailure"), central.now_s)
    assert ask(central, "UnlockConnector", {"connectorId": 2}) == {"status": "UnlockFailed"}
    assert ask(central, "UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
@pytest.mark.parametrize(("hung", "after"), [(True, "Available"), (False, "Faulted")])
def test_a_restart_mends_what_hangs_and_nothing_else(hung: bool, after: str, protocol: str) -> None:
    central = Central(make_station(msgspec.structs.replace(AC_ONE, protocol=protocol)))
    central.connect()
    central.station.bays[1].raise_fault(Fault("InternalError", hung=hung), central.now_s)
    central.run(60)
    central.send([2, "ask", "Reset", {"type": "Soft" if protocol == "ocpp1.6" else "OnIdle"}])
    assert central.answers[-1][2] == {"status": "Accepted"}
    central.run(30)
    central.connect()
    central.run(2)
    said = [call.payload for call in central.calls("StatusNotification") if call.payload["connectorId"] == 1]
    assert said[-1].get("status", said[-1].get("connectorStatus")) == after
    assert len(central.calls("BootNotification")) == 2
