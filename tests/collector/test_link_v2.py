"""OCPP 2.0.1 and 2.1: every action, happy and broken, on both versions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.link import SUPPORTED
from collector.ocpp import schemas
from collector.ocpp.action import Policy, Verdict
from collector.ocpp.actions import ACTIONS
from collector.ocpp.evse import connector_number
from collector.ocpp.schemas import SENT
from laddvakt.domain.entries import decode_batch, encode_entry, join_entries
from laddvakt.domain.facts import (
    Booted,
    ChargingLimitReported,
    EventReported,
    Measured,
    NonConforming,
    Quarantined,
    QuarantineReason,
    StatusReported,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
    VariableReported,
)
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tokens import AuthorizationStatus
from tests.support.payloads import CERTIFICATE, EVENT, HAPPY, STARTED, TOKEN
from tests.support.stations import T0, Speaker, stamp

VERSIONS = ("ocpp2.0.1", "ocpp2.1")
each_version = pytest.mark.parametrize("protocol", VERSIONS)
each_call = pytest.mark.parametrize(
    ("protocol", "action"),
    [(protocol, action) for protocol in VERSIONS for action in sorted(HAPPY[protocol]) if action not in SENT],
)


def facts_of(station: Speaker) -> tuple[Any, ...]:
    """The facts of the last message, as they come back out of the log."""
    (entry,) = decode_batch(join_entries([encode_entry(station.said[-1])]))
    return entry.facts


def test_every_action_is_tried_here() -> None:
    for protocol in VERSIONS:
        assert HAPPY[protocol].keys() == {name for name, action in ACTIONS.items() if protocol in action.versions}
    assert set(VERSIONS) < set(SUPPORTED)


@each_call
def test_happy_call_is_answered_by_the_official_schema(protocol: str, action: str) -> None:
    station = Speaker(protocol=protocol)
    kind, unique_id, reply = station.call(action, HAPPY[protocol][action])
    assert (kind, unique_id) == (3, "1"), reply
    schemas.response_validator(protocol, action).validate(reply)
    assert not [fact for fact in facts_of(station) if isinstance(fact, NonConforming | Quarantined)]


@each_call
def test_call_without_its_required_parts_is_refused_and_kept(protocol: str, action: str) -> None:
    if not HAPPY[protocol][action]:
        return  # a Heartbeat has no parts
    station = Speaker(protocol=protocol)
    reply = station.call(action, {})
    assert reply[0] == 4
    assert reply[2] == "OccurrenceConstraintViolation"
    assert [fact.reason for fact in facts_of(station)] == [QuarantineReason.INVALID_PAYLOAD]
    assert station.said[0].raw


@each_call
def test_unknown_extra_field_is_answered_normally_and_flagged(protocol: str, action: str) -> None:
    station = Speaker(protocol=protocol)
    assert station.call(action, {**HAPPY[protocol][action], "extra": 1})[0] == 3
    assert any(isinstance(fact, NonConforming) for fact in facts_of(station))


@each_call
def test_repeated_call_gets_the_same_answer(protocol: str, action: str) -> None:
    station = Speaker(protocol=protocol)
    payload = HAPPY[protocol][action]
    assert station.call(action, payload)[2] == station.call(action, payload)[2]


@each_version
def test_action_of_another_version_is_not_implemented(protocol: str) -> None:
    assert Speaker(protocol=protocol).call("StartTransaction", {})[2] == "NotImplemented"


@each_version
def test_text_without_a_readable_id_is_answered_to_minus_one(protocol: str) -> None:
    reply = Speaker(protocol=protocol).text("this is not JSON").reply
    assert reply is not None
    assert reply.startswith('[4,"-1","RpcFrameworkError"')


def test_send_is_read_and_never_answered() -> None:
    station = Speaker(protocol="ocpp2.1")
    payload = HAPPY["ocpp2.1"]["NotifyPeriodicEventStream"]
    outcome = station.text(json.dumps([6, "1", "NotifyPeriodicEventStream", payload]))
    assert (outcome.reply, outcome.entry.reply, outcome.entry.facts) == (None, None, ())


@pytest.mark.parametrize("payload", [{}, {"id": "one"}])
def test_broken_send_is_kept_and_never_answered(payload: dict[str, Any]) -> None:
    station = Speaker(protocol="ocpp2.1")
    outcome = station.text(json.dumps([6, "1", "NotifyPeriodicEventStream", payload]))
    assert (outcome.reply, outcome.entry.reply) == (None, None)
    assert [fact.reason for fact in facts_of(station)] == [QuarantineReason.INVALID_PAYLOAD]


def test_send_of_what_should_be_a_call_is_read_and_noted() -> None:
    station = Speaker(protocol="ocpp2.1")
    outcome = station.text(json.dumps([6, "1", "TransactionEvent", STARTED]))
    assert outcome.reply is None
    kinds = [type(fact) for fact in facts_of(station)]
    assert kinds == [TransactionStarted, TransactionReported, Measured, NonConforming]


def test_answer_that_a_station_refuses_is_shown_to_people() -> None:
    station = Speaker(protocol="ocpp2.1")
    assert station.text('[5,"1","FormatViolation","no time",{}]').reply is None
    (fact,) = facts_of(station)
    assert fact.reason is QuarantineReason.REFUSED_REPLY
    assert "no time" in fact.detail


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("VatNumberValidation", {"vatNumber": "SE" + "5" * 30}),
        (
            "GetCertificateChainStatus",
            {
                "certificateStatusRequests": [
                    {"certificateHashData": CERTIFICATE, "source": "Rumour", "urls": ["x"]}
                ]
            },
        ),
    ],
)
def test_odd_request_that_no_reply_by_the_schema_can_repeat_is_refused(
    action: str, payload: dict[str, Any]
) -> None:
    station = Speaker(protocol="ocpp2.1")
    assert station.call(action, payload)[2] == "PropertyConstraintViolation"
    assert [fact.reason for fact in facts_of(station)] == [QuarantineReason.INVALID_PAYLOAD]


def test_whole_numbers_with_a_point_are_read() -> None:
    station = Speaker(protocol="ocpp2.1")
    payload = {**STARTED, "seqNo": 3.0, "evse": {"id": 1.0, "connectorId": 2.0}}
    assert station.call("TransactionEvent", payload)[0] == 3
    event = next(fact for fact in facts_of(station) if isinstance(fact, TransactionReported))
    assert (event.seq_no, event.connector_id, event.evse_id) == (3, 1002, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"seqNo": 10**12},
        {"evse": {"id": 5000}},
        {"transactionInfo": {"transactionId": "T", "remoteStartId": 2**40}},
    ],
)
def test_number_far_outside_anything_meant_is_refused_and_kept(change: dict[str, Any]) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    assert station.call("TransactionEvent", {**STARTED, **change})[2] == "PropertyConstraintViolation"
    assert facts_of(station)[0].reason is QuarantineReason.INVALID_PAYLOAD


@pytest.mark.parametrize("text", ["\x1f٣", "٣", " ² "])
def test_text_that_looks_like_a_number_to_python_alone_is_refused(text: str) -> None:
    station = Speaker()
    stop = {"transactionId": text, "meterStop": 0, "timestamp": stamp(0)}
    assert station.call("StopTransaction", stop)[0] == 4
    assert facts_of(station)[0].reason is QuarantineReason.INVALID_PAYLOAD


def test_connector_of_an_event_beyond_any_number_is_none() -> None:
    station = Speaker(protocol="ocpp2.0.1")
    component = {"name": "Connector", "evse": {"id": 2, "connectorId": 2**64 - 1}}
    station.call(
        "NotifyEvent", HAPPY["ocpp2.0.1"]["NotifyEvent"] | {"eventData": [EVENT | {"component": component}]}
    )
    assert decode_batch(join_entries([encode_entry(station.said[0])])) == (station.said[0],)
    assert facts_of(station)[0].connector_id == 0


@pytest.mark.parametrize("unit", [5, {"a": 1}, ["Wh"]])
def test_unit_of_the_other_version_that_is_no_text_is_none(unit: Any) -> None:
    station = Speaker(protocol="ocpp2.1")
    sample = {"value": 12.5, "unit": unit}
    payload = {"evseId": 1, "meterValue": [{"timestamp": stamp(0), "sampledValue": [sample]}]}
    assert station.call("MeterValues", payload)[0] == 3
    assert next(fact for fact in facts_of(station) if isinstance(fact, Measured)).readings[0].value == 12.5


def test_register_beyond_any_meter_is_no_start() -> None:
    station = Speaker(protocol="ocpp2.1")
    huge = {"timestamp": stamp(0), "sampledValue": [{"value": 1e300}]}
    assert station.call("TransactionEvent", {**STARTED, "meterValue": [huge]})[0] == 3
    assert facts_of(station)[0].meter_start_wh is None


@pytest.mark.parametrize(
    ("evse", "connector", "number"), [(0, 0, 0), (1, None, 1), (1, 1, 1), (2, 1, 2), (1, 2, 1002), (3, 2, 3002)]
)
def test_connectors_of_evses_have_one_number_each(evse: int, connector: int | None, number: int) -> None:
    assert connector_number(evse, connector) == number


def test_boot_says_what_the_station_is() -> None:
    station = Speaker(protocol="ocpp2.0.1")
    more = {
        "chargingStation": {"model": "One", "vendorName": "Acme", "serialNumber": "7", "firmwareVersion": "1.2"}
    }
    station.call("BootNotification", {"reason": "PowerUp", **more})
    (fact,) = facts_of(station)
    assert fact == Booted(at=T0, vendor="Acme", model="One", serial_number="7", firmware="1.2")


@pytest.mark.parametrize(
    ("said", "status", "reported"),
    [
        ("Available", ConnectorState.AVAILABLE, ""),
        ("Occupied", ConnectorState.PREPARING, "Occupied"),
        ("Reserved", ConnectorState.RESERVED, ""),
        ("Unavailable", ConnectorState.UNAVAILABLE, ""),
        ("Faulted", ConnectorState.FAULTED, ""),
        ("Charging", ConnectorState.CHARGING, ""),  # a word of 1.6
        ("Broken", ConnectorState.UNKNOWN, "Broken"),
    ],
)
def test_connector_status_becomes_a_state(said: str, status: ConnectorState, reported: str) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    assert (
        station.call("StatusNotification", {**HAPPY["ocpp2.0.1"]["StatusNotification"], "connectorStatus": said})[
            0
        ]
        == 3
    )
    fact = facts_of(station)[0]
    assert isinstance(fact, StatusReported)
    assert (fact.status, fact.reported, fact.evse_id) == (status, reported, 1)


def test_start_of_a_transaction_says_all_of_it() -> None:
    station = Speaker(protocol="ocpp2.1")
    assert station.call("TransactionEvent", STARTED)[2] == {"idTokenInfo": {"status": "Accepted"}}
    started, event, measured = facts_of(station)
    assert isinstance(started, TransactionStarted)
    assert (started.transaction_id, started.id_tag, started.meter_start_wh) == ("T-1", "TAG1", 12)
    assert isinstance(event, TransactionReported)
    assert (event.charging_state, event.remote_start_id) == (ConnectorState.CHARGING, 7)
    assert isinstance(measured, Measured)
    assert (measured.connector_id, measured.transaction_id) == (1, "T-1")


def test_end_of_a_transaction_takes_the_register_of_its_end() -> None:
    station = Speaker(protocol="ocpp2.0.1")

    def value(wh: float, context: str) -> dict[str, Any]:
        return {"timestamp": stamp(0), "sampledValue": [{"value": wh, "context": context}]}

    meter = [value(100, "Transaction.Begin"), value(900, "Transaction.End"), value(950, "Sample.Periodic")]
    ended = {**STARTED, "eventType": "Ended", "seqNo": 4, "meterValue": meter}
    ended["transactionInfo"] = {"transactionId": "T-1", "stoppedReason": "EVDisconnected"}
    assert station.call("TransactionEvent", ended)[0] == 3
    stopped = facts_of(station)[-1]
    assert isinstance(stopped, TransactionStopped)
    assert (stopped.meter_stop_wh, stopped.reason) == (900, "EVDisconnected")
    station.call("TransactionEvent", {**ended, "meterValue": meter[:1]})
    assert facts_of(station)[-1].meter_stop_wh is None


def test_station_that_does_not_number_its_events_is_noted_once_a_connection() -> None:
    station = Speaker(protocol="ocpp2.0.1")
    update = {**STARTED, "eventType": "Updated"}
    station.call("TransactionEvent", update)
    assert any(isinstance(fact, NonConforming) for fact in facts_of(station))
    station.call("TransactionEvent", update)
    assert not any(isinstance(fact, NonConforming) for fact in facts_of(station))


def test_refused_driver_is_told_so() -> None:
    station = Speaker(
        policy=Policy(authorize=lambda *_: Verdict(AuthorizationStatus.BLOCKED)), protocol="ocpp2.0.1"
    )
    assert station.call("Authorize", {"idToken": TOKEN})[2] == {"idTokenInfo": {"status": "Blocked"}}
    assert station.call("TransactionEvent", STARTED)[2] == {"idTokenInfo": {"status": "Blocked"}}


@pytest.mark.parametrize(
    ("sample", "field", "value"),
    [
        ({"value": 1.5, "unitOfMeasure": {"unit": "kWh"}}, "energy_wh", 1500.0),
        ({"value": 1.5, "unitOfMeasure": {"multiplier": 3}}, "energy_wh", 1500.0),
        ({"value": 15, "unitOfMeasure": {"unit": "kWh", "multiplier": -1}}, "energy_wh", 1500.0),
        ({"value": "1500"}, "energy_wh", 1500.0),
        ({"value": 16, "measurand": "Current.Import", "phase": "L2"}, "current_l2_a", 16.0),
        (
            {"value": 11, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W", "multiplier": 3}},
            "power_w",
            11000.0,
        ),
    ],
)
def test_sampled_value_becomes_a_reading_in_base_units(sample: dict[str, Any], field: str, value: float) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    payload = {"evseId": 2, "meterValue": [{"timestamp": stamp(0), "sampledValue": [sample]}]}
    assert station.call("MeterValues", payload)[0] == 3
    fact = facts_of(station)[0]
    assert isinstance(fact, Measured)
    assert fact.connector_id == 2
    assert fact.readings[0].field == field
    assert fact.readings[0].value == pytest.approx(value)


def test_event_names_its_fault_and_connector() -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call(
        "NotifyEvent", {**HAPPY["ocpp2.0.1"]["NotifyEvent"], "eventData": [{**EVENT, "severity": "high"}]}
    )
    event = facts_of(station)[0]
    assert isinstance(event, EventReported)
    assert (event.component, event.variable, event.connector_id, event.mrec) == (
        "Connector",
        "Problem",
        2,
        ("CX018",),
    )
    assert event.severity is None


def test_event_may_carry_a_connectors_status() -> None:
    station = Speaker(protocol="ocpp2.1")
    event = {**EVENT, "variable": {"name": "AvailabilityState"}, "actualValue": "Faulted"}
    station.call("NotifyEvent", {**HAPPY["ocpp2.0.1"]["NotifyEvent"], "eventData": [event]})
    status = facts_of(station)[1]
    assert isinstance(status, StatusReported)
    assert (status.connector_id, status.status) == (2, ConnectorState.FAULTED)


def test_report_gives_a_fact_for_each_attribute() -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call("NotifyReport", HAPPY["ocpp2.0.1"]["NotifyReport"])
    actual, most = facts_of(station)
    assert isinstance(actual, VariableReported)
    assert (actual.variable, actual.attribute, actual.value, actual.unit) == (
        "HeartbeatInterval",
        "Actual",
        "60",
        "s",
    )
    assert (most.attribute, most.value) == ("MaxSet", "900")


def test_charging_limit_comes_and_goes() -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call("NotifyChargingLimit", HAPPY["ocpp2.0.1"]["NotifyChargingLimit"])
    limit = facts_of(station)[0]
    assert limit == ChargingLimitReported(at=T0, source="SO", connector_id=2, evse_id=2, grid_critical=True)
    station.call("ClearedChargingLimit", HAPPY["ocpp2.0.1"]["ClearedChargingLimit"])
    assert facts_of(station)[0].cleared


def test_personal_data_of_customer_information_stays_out_of_the_facts() -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call("NotifyCustomerInformation", HAPPY["ocpp2.0.1"]["NotifyCustomerInformation"])
    assert facts_of(station) == ()


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every part of a payload, itself left out."""
    pairs = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [found for key, part in pairs for found in ((*path, key), *places(part, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy of a payload with another value at `path`."""
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], by)
    return copy


@given(st.sampled_from(SUPPORTED), st.sampled_from(sorted(HAPPY["ocpp2.1"])), st.data())
def test_any_part_replaced_by_anything_is_answered_and_leaves_a_log_that_can_be_read(
    protocol: str, action: str, data: st.DataObject
) -> None:
    payload = {
        **HAPPY["ocpp2.1"][action],
        **data.draw(st.dictionaries(st.sampled_from(["severity", "offline"]), ANYTHING)),
    }
    path = data.draw(st.sampled_from([*places(payload), ("x",)]))
    payload = changed({**payload, "x": 0}, path, data.draw(ANYTHING))
    station = Speaker(protocol=protocol)
    reply = station.call(action, payload)
    assert reply[0] in (3, 4)
    if reply[0] == 4:
        assert reply[2] != "InternalError", reply
    facts_of(station)
