"""A station's conversation: every input gets an answer, what is odd is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ocpp import schemas
from collector.ocpp.action import Policy, Verdict
from collector.ocpp.actions import ACTIONS
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.facts import (
    Booted,
    Measured,
    NonConforming,
    Quarantined,
    QuarantineReason,
    StatusReported,
    TransactionStarted,
)
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tokens import AuthorizationStatus
from tests.support.payloads import HAPPY as EVERY
from tests.support.stations import T0, Speaker, at, stamp

HAPPY = EVERY["ocpp1.6"]


def test_every_action_is_tried_here() -> None:
    assert HAPPY.keys() == {name for name, action in ACTIONS.items() if "ocpp1.6" in action.versions}


@pytest.mark.parametrize("action", sorted(HAPPY))
def test_happy_call_is_answered_by_the_official_schema(action: str) -> None:
    kind, unique_id, reply = Speaker().call(action, HAPPY[action])
    assert (kind, unique_id) == (3, "1")
    schemas.response_validator("ocpp1.6", action).validate(reply)


@pytest.mark.parametrize("action", sorted(name for name, payload in HAPPY.items() if payload))
def test_call_without_its_required_parts_is_refused_and_kept(action: str) -> None:
    station = Speaker()
    reply = station.call(action, {})
    assert reply[0] == 4
    assert reply[2] == "OccurenceConstraintViolation"
    assert [fact.reason for fact in station.said[0].facts] == [QuarantineReason.INVALID_PAYLOAD]
    assert station.said[0].raw


@pytest.mark.parametrize("action", sorted(HAPPY))
def test_unknown_extra_field_is_answered_normally_and_flagged(action: str) -> None:
    station = Speaker()
    assert station.call(action, {**HAPPY[action], "extra": 1})[0] == 3
    assert any(isinstance(fact, NonConforming) for fact in station.said[0].facts)


@pytest.mark.parametrize("action", sorted(HAPPY))
def test_repeated_call_gets_the_same_answer(action: str) -> None:
    station = Speaker()
    assert station.call(action, HAPPY[action])[2] == station.call(action, HAPPY[action])[2]


def test_wrong_type_is_a_type_violation() -> None:
    reply = Speaker().call("StartTransaction", {**HAPPY["StartTransaction"], "connectorId": "one"})
    assert reply[2] == "TypeConstraintViolation"
    assert "connectorId" in reply[3]


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("StartTransaction", "meterStart"),
        ("StatusNotification", "connectorId"),
        ("StopTransaction", "transactionId"),
    ],
)
def test_number_far_outside_anything_meant_is_refused_and_kept(action: str, name: str) -> None:
    station = Speaker()
    reply = station.call(action, {**HAPPY[action], name: 10**30})
    assert reply[2] == "PropertyConstraintViolation"
    assert name in reply[3]
    assert station.said[0].facts[0].reason is QuarantineReason.INVALID_PAYLOAD


def test_payload_nested_deeper_than_anything_meant_is_refused_and_kept() -> None:
    station = Speaker()
    deep = '{"a":' * 300 + "1" + "}" * 300
    reply = station.text(f'[2,"1","Heartbeat",{deep}]').reply
    assert reply is not None
    assert json.loads(reply)[2] == "FormationViolation"
    assert station.said[0].facts[0].reason is QuarantineReason.INVALID_PAYLOAD


def test_known_action_that_is_not_handled_is_not_supported() -> None:
    assert Speaker().call("RemoteStartTransaction", {})[2] == "NotSupported"


def test_invented_action_is_not_implemented() -> None:
    station = Speaker()
    assert station.call("MakeCoffee", {})[2] == "NotImplemented"
    assert station.said[0].facts[0].reason is QuarantineReason.UNKNOWN_ACTION


def test_malformed_text_without_an_id_is_kept_without_a_reply() -> None:
    station = Speaker()
    outcome = station.text("this is not JSON")
    assert outcome.reply is None
    assert outcome.entry.raw == "this is not JSON"
    assert outcome.entry.facts[0].reason is QuarantineReason.MALFORMED_FRAME


@pytest.mark.parametrize(
    ("text", "replies"),
    [
        # what may be a CALL is answered; 1.6 ignores a message type that it does not have
        ('[2,"1"]', ('[4,"1","FormationViolation"', '[4,"1","RpcFrameworkError"', '[4,"1","RpcFrameworkError"')),
        ('[2,"1","Heartbeat",[]]', ('[4,"1","FormationViolation"', *('[4,"1","FormatViolation"',) * 2)),
        ('[2,5,"Heartbeat",{}]', (None, '[4,"-1","RpcFrameworkError"', '[4,"-1","RpcFrameworkError"')),
        ("[2]", (None, '[4,"-1","RpcFrameworkError"', '[4,"-1","RpcFrameworkError"')),
        ('[9,"1",{}]', (None, '[4,"1","MessageTypeNotSupported"', '[4,"1","MessageTypeNotSupported"')),
        # an answer is never answered with a CALLERROR: the id is one of ours
        ('[3,"1"]', (None, None, '[5,"1","RpcFrameworkError"')),
        ('[4,"1"]', (None, None, None)),
        # 2.1 alone has CALLRESULTERROR and SEND
        ('[5,"1","InternalError","",{}]', (None, '[4,"1","MessageTypeNotSupported"', None)),
        ('[6,"1","NotifyPeriodicEventStream",{}]', (None, '[4,"1","MessageTypeNotSupported"', None)),
        ('[6,"1"]', (None, None, None)),
    ],
)
def test_odd_frame_is_kept_and_answered_as_its_version_asks(text: str, replies: tuple[str | None, ...]) -> None:
    for protocol, expected in zip(("ocpp1.6", "ocpp2.0.1", "ocpp2.1"), replies, strict=True):
        outcome = Speaker(protocol=protocol).text(text)
        assert (outcome.reply or "").startswith(expected or ""), protocol
        assert (outcome.reply is None) == (expected is None), protocol
        assert [type(fact) for fact in outcome.entry.facts] == [Quarantined], protocol


def test_broken_utf8_is_kept_readably() -> None:
    outcome = Speaker().text(b'[2,"1","Heartbeat",{"x":"\xff"}]')
    assert "\\xff" in outcome.entry.raw


def test_answer_to_a_call_never_made_is_noted() -> None:
    outcome = Speaker().text('[3,"77",{}]')
    assert outcome.reply is None
    assert isinstance(outcome.entry.facts[0], NonConforming)


def test_answer_to_a_recorded_call_says_which() -> None:
    station = Speaker()
    station.link.sent('[2,"77","Reset",{"type":"Soft"}]', T0)
    (fact,) = station.text('[3,"77",{"status":"Accepted"}]').entry.facts
    assert (fact.command_id, fact.action, fact.status) == ("77", "Reset", CommandStatus.ACCEPTED)


def test_other_protocol_version_is_kept_and_told_so() -> None:
    station = Speaker(protocol="ocpp1.5")
    reply = station.call("StartTransaction", {})
    assert reply[2] == "NotSupported"
    assert station.said[0].facts[0].reason is QuarantineReason.UNSUPPORTED_PROTOCOL


def test_pending_station_boots_and_beats_but_nothing_else() -> None:
    station = Speaker(policy=Policy(registration="Pending"))
    assert station.boot()[2]["status"] == "Pending"
    assert station.call("Heartbeat", {})[0] == 3
    refused = station.call("StartTransaction", HAPPY["StartTransaction"])
    assert refused[2] == "SecurityError"
    assert "import" in refused[3]
    assert station.said[-1].facts[0].reason is QuarantineReason.UNKNOWN_STATION


def test_our_own_failure_is_answered_and_kept() -> None:
    def explode(*_: object) -> Verdict:
        raise RuntimeError("boom")

    station = Speaker(policy=Policy(authorize=explode))
    assert station.call("Authorize", {"idTag": "T"})[2] == "InternalError"
    assert station.said[0].facts[0].reason is QuarantineReason.INTERNAL_ERROR


def test_retried_start_gets_the_same_transaction_id_from_any_collector() -> None:
    payload = HAPPY["StartTransaction"]
    first = Speaker().call("StartTransaction", payload, 0)[2]["transactionId"]
    again = Speaker().call("StartTransaction", payload, 300)[2]["transactionId"]
    other = Speaker("SE-2").call("StartTransaction", payload, 0)[2]["transactionId"]
    assert first == again != other
    assert 0 < first < 2**31


def test_refused_driver_is_told_so() -> None:
    station = Speaker(policy=Policy(authorize=lambda *_: Verdict(AuthorizationStatus.BLOCKED)))
    assert station.call("Authorize", {"idTag": "T"})[2] == {"idTagInfo": {"status": "Blocked"}}


def test_heartbeat_interval_is_spread_over_the_fleet() -> None:
    intervals = {Speaker(f"SE-{number}").boot()[2]["interval"] for number in range(50)}
    assert len(intervals) > 10
    assert all(270 <= interval <= 300 for interval in intervals)


def test_boot_says_what_the_station_is() -> None:
    station = Speaker()
    station.boot()
    fact = station.said[0].facts[0]
    assert isinstance(fact, Booted)
    assert (fact.vendor, fact.model) == ("Acme", "One")


def test_status_outside_the_enum_is_unknown_and_kept_as_said() -> None:
    station = Speaker()
    assert station.status("Occupied")[0] == 3
    fact = station.said[0].facts[0]
    assert isinstance(fact, StatusReported)
    assert (fact.status, fact.reported) == (ConnectorState.UNKNOWN, "Occupied")


def test_mrec_codes_are_found_in_vendor_fields() -> None:
    station = Speaker()
    station.status("Faulted", errorCode="OtherError", vendorErrorCode="CX018, CX001", info="CX099 CX018")
    assert station.said[0].facts[0].mrec == ("CX018", "CX001")


@pytest.mark.parametrize(
    ("sample", "field", "value"),
    [
        ({"value": "1.5", "unit": "kWh"}, "energy_wh", 1500.0),
        ({"value": "1,5", "unit": "kWh"}, "energy_wh", 1500.0),
        ({"value": "230.1 V", "measurand": "Voltage", "phase": "L1-N"}, "voltage_l1_v", 230.1),
        ({"value": "16", "measurand": "Current.Import", "phase": "L2"}, "current_l2_a", 16.0),
        ({"value": "212", "measurand": "Temperature", "unit": "Fahrenheit"}, "temperature_c", pytest.approx(100)),
        ({"value": "40", "measurand": "Temperature", "unit": "Celcius"}, "temperature_c", 40.0),
        ({"value": "11", "measurand": "Power.Active.Import", "unit": "kW"}, "power_w", 11000.0),
        ({"value": "55", "measurand": "SoC", "unit": "Percent"}, "soc_pct", 55.0),
        ({"value": "50", "measurand": "Frequency"}, "frequency_hz", 50.0),
        ({"value": "0.98", "measurand": "Power.Factor"}, "power_factor", 0.98),
        ({"value": 12}, "energy_wh", 12.0),
    ],
)
def test_sampled_value_becomes_a_reading_in_base_units(sample: dict[str, Any], field: str, value: float) -> None:
    station = Speaker()
    payload = {"connectorId": 1, "meterValue": [{"timestamp": stamp(0), "sampledValue": [sample]}]}
    assert station.call("MeterValues", payload)[0] == 3
    fact = station.said[0].facts[0]
    assert isinstance(fact, Measured)
    assert (fact.readings[0].field, fact.readings[0].value) == (field, value)


@pytest.mark.parametrize("value", ["NaN", "", "inf", "n/a", "1e999", "--3"])
def test_value_that_is_no_number_is_set_aside_and_the_others_survive(value: str) -> None:
    station = Speaker()
    samples = [{"value": value}, {"value": "7", "measurand": "Voltage"}]
    payload = {"connectorId": 1, "meterValue": [{"timestamp": stamp(0), "sampledValue": samples}]}
    station.call("MeterValues", payload)
    measured, aside = station.said[0].facts
    assert [reading.value for reading in measured.readings] == [7.0]
    assert aside.reason is QuarantineReason.UNREADABLE_VALUE


def test_signed_value_is_kept_raw_and_nothing_else() -> None:
    station = Speaker()
    samples = [{"value": "T0NNRg==", "format": "SignedData"}, {"value": "7"}]
    payload = {"connectorId": 1, "meterValue": [{"timestamp": stamp(0), "sampledValue": samples}]}
    station.call("MeterValues", payload)
    assert len(station.said[0].facts) == 1
    assert "T0NNRg==" in station.said[0].raw


@pytest.mark.parametrize("said", ["1970-01-01T00:00:00Z", "2036-01-01T00:00:00Z"])
def test_implausible_station_clock_falls_back_to_receipt(said: str) -> None:
    station = Speaker()
    payload = {"connectorId": 1, "meterValue": [{"timestamp": said, "sampledValue": [{"value": "1"}]}]}
    station.call("MeterValues", payload, 5)
    reading = station.said[0].facts[0].readings[0]
    assert reading.at == at(5)
    assert reading.station_at is not None


def test_time_without_a_zone_is_read_as_utc() -> None:
    station = Speaker()
    payload = {**HAPPY["StartTransaction"], "timestamp": "2026-11-21T09:59:00"}
    station.call("StartTransaction", payload)
    fact = station.said[0].facts[0]
    assert isinstance(fact, TransactionStarted)
    assert fact.at == at(-60)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_kept_and_never_fails(text: str | bytes) -> None:
    outcome = Speaker().link.receive(text, T0)
    assert outcome.entry.received_at == T0
    if outcome.reply is None:
        assert all(isinstance(fact, Quarantined | NonConforming) for fact in outcome.entry.facts)


odd = (
    st.none()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.lists(st.integers(), max_size=2)
)


@given(st.sampled_from(sorted(HAPPY)), st.data())
def test_any_change_of_a_payload_is_answered(action: str, data: st.DataObject) -> None:
    payload = dict(HAPPY[action])
    for name in data.draw(st.lists(st.sampled_from([*payload, "reason", "transactionData", "info"]), max_size=3)):
        payload[name] = data.draw(odd)
    outcome = Speaker().link.receive(json.dumps([2, "1", action, payload]), T0)
    assert outcome.reply is not None
    assert json.loads(outcome.reply)[1] == "1"
