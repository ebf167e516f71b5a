"""What real stations do with status and messages. The numbers are the lines of docs/reference/quirks.md."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from collector.ocpp import schemas
from collector.ocpp.action import Policy
from detector.changes import ChangeKind
from detector.engine import Engine
from detector.rules import RULES
from laddvakt.domain.facts import Measured, NonConforming, QuarantineReason, StatusReported
from laddvakt.domain.stations import ConnectorState, StationState
from laddvakt.settings import OcppSettings
from tests.support.recording import Desk
from tests.support.stations import Speaker, at, stamp

ODD: list[tuple[str, dict[str, Any]]] = [
    ("StatusNotification", {"connectorId": 1, "errorCode": "Error", "status": "Available"}),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Occupied"}),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": "x" * 99}),
    ("BootNotification", {"chargePointVendor": "United Chargers Inc. of Canada", "chargePointModel": "Grizzl-E"}),
    ("Heartbeat", {"extra": 1}),
    ("StopTransaction", {"transactionId": 7, "meterStop": 1, "timestamp": stamp(0), "transactionData": None}),
    ("StopTransaction", {"transactionId": "7", "meterStop": "1", "timestamp": stamp(0)}),
    ("Authorize", {"idTag": 12345678}),
    ("MeterValues", {"connectorId": 1, "meterValue": {"timestamp": stamp(0), "sampledValue": {"value": 5}}}),
]


def engine() -> Engine:
    return Engine(
        thresholds={rule.code: {t.name: t.default for t in rule.thresholds} for rule in RULES},
        pseudonymise=lambda tag: tag,
    )


# 20


@pytest.mark.parametrize(
    ("status", "error"),
    [("Faulted", "NoError"), ("Available", "GroundFailure"), ("Finishing", "HighTemperature")],
)
def test_q20_status_and_error_that_contradict_are_both_kept(desk: Desk, status: str, error: str) -> None:
    station = Speaker()
    station.up()
    station.status(status, 1, errorCode=error, vendorErrorCode="E-7", info="fan")
    desk.record(station)
    connector = desk.connector()
    assert (connector.status, connector.error_code) == (ConnectorState(status), error)
    assert (connector.vendor_error_code, connector.info) == ("E-7", "fan")


def test_q20_finding_needs_a_fault_that_persists() -> None:
    station = Speaker()
    station.up()
    station.boot()
    station.status("Available", 1)
    station.status("Faulted", 10, errorCode="InternalError")
    station.status("Available", 12)
    watch = engine()
    changes = [*watch.observe(station.said), *watch.tick(at(600))]
    assert [change for change in changes if change.kind is ChangeKind.RAISED] == []
    station.said.clear()
    station.status("Faulted", 700, errorCode="InternalError")
    station.call("Heartbeat", {}, 900)
    changes = [*watch.observe(station.said), *watch.tick(at(900) + timedelta(hours=1))]
    assert "reported_fault" in {c.finding.fault for c in changes if c.finding and c.kind is ChangeKind.RAISED}


# 21


@pytest.mark.parametrize(("action", "payload"), ODD)
def test_q21_odd_payload_is_read_answered_normally_and_counted(
    desk: Desk, action: str, payload: dict[str, Any]
) -> None:
    station = Speaker()
    reply = station.call(action, payload)
    assert reply[0] == 3, reply
    schemas.response_validator("ocpp1.6", action).validate(reply[2])
    assert any(isinstance(fact, NonConforming) for fact in station.said[0].facts)
    station.call(action, payload, 1)
    desk.record(station)
    found = desk.station()
    assert found.non_conforming == 2
    assert action in (found.non_conforming_detail or "")


def test_q21_what_was_mended_is_read() -> None:
    station = Speaker()
    station.call(*ODD[-1])
    fact = station.said[0].facts[0]
    assert isinstance(fact, Measured)
    assert fact.readings[0].value == 5


def test_q21_conforming_messages_count_nothing(desk: Desk) -> None:
    station = Speaker()
    station.boot()
    station.status("Available", 1)
    desk.record(station)
    assert desk.station().non_conforming == 0


@pytest.mark.parametrize(
    ("protocol", "action", "payload", "code"),
    [
        ("ocpp1.6", *ODD[0], "PropertyConstraintViolation"),
        ("ocpp1.6", *ODD[1], "PropertyConstraintViolation"),
        ("ocpp1.6", *ODD[2], "PropertyConstraintViolation"),
        ("ocpp1.6", *ODD[4], "FormationViolation"),
        ("ocpp1.6", *ODD[6], "TypeConstraintViolation"),
        ("ocpp1.6", *ODD[8], "TypeConstraintViolation"),
        ("ocpp1.6", "Authorize", {}, "OccurenceConstraintViolation"),
        ("ocpp1.6", "TransactionEvent", {}, "NotImplemented"),
        ("ocpp2.0.1", "Heartbeat", {"extra": 1}, "FormatViolation"),
        ("ocpp2.0.1", "Authorize", {}, "OccurrenceConstraintViolation"),
        ("ocpp2.1", *ODD[0], "OccurrenceConstraintViolation"),
    ],
)
def test_q21_strict_mode_answers_as_the_specification_asks(
    desk: Desk, protocol: str, action: str, payload: dict[str, Any], code: str
) -> None:
    station = Speaker(policy=Policy(strict=True), protocol=protocol)
    reply = station.call(action, payload)
    assert (reply[0], reply[2]) == (4, code)
    desk.record(station)
    (item,) = desk.quarantine
    assert item.reason in (QuarantineReason.INVALID_PAYLOAD, QuarantineReason.UNKNOWN_ACTION)


def test_q21_strict_mode_takes_what_conforms() -> None:
    station = Speaker(policy=Policy(strict=True))
    assert station.boot()[0] == 3
    assert station.status("Available", 1)[0] == 3
    assert OcppSettings().strict is False


# 22


def test_q22_messages_of_16_on_a_201_connection_are_read_as_what_they_are(desk: Desk) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.up()
    assert station.boot()[2]["status"] == "Accepted"
    station.status("Preparing", 1)
    number = station.start(2, meter=0)
    station.energy(number, 500, 60)
    station.stop(number, 900, 120)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality_reasons) == (900, ())
    assert desk.station().vendor == "Acme"
    assert desk.station().non_conforming == 5
    assert desk.quarantine == ()


def test_q22_messages_of_201_on_a_16_connection_are_read_as_what_they_are() -> None:
    station = Speaker()
    about = {"reason": "PowerUp", "chargingStation": {"model": "One", "vendorName": "Acme"}}
    assert station.call("BootNotification", about)[2]["status"] == "Accepted"


# 23


def test_q23_status_is_unknown_after_a_gap_until_the_station_says_otherwise(desk: Desk) -> None:
    station = Speaker()
    station.up()
    station.status("Charging", 1)
    station.down(10)
    desk.record(station)
    assert desk.connector().status is ConnectorState.UNKNOWN
    station.up(100)
    station.call("Heartbeat", {}, 101)
    desk.record(station)
    assert (desk.connector().status, desk.station().state) == (ConnectorState.UNKNOWN, StationState.UNKNOWN)
    station.status("Available", 110)
    desk.record(station)
    assert desk.connector().status is ConnectorState.AVAILABLE


# 24


@pytest.mark.parametrize(
    ("said", "mrec"),
    [
        ({"vendorId": "https://chargex.inl.gov", "vendorErrorCode": "CX018"}, ("CX018",)),
        ({"vendorId": "https://chargex.inl.gov", "vendorErrorCode": "CX018,CX001"}, ("CX018", "CX001")),
        ({"info": "power module CX006 down"}, ("CX006",)),
        ({"vendorId": "com.evgo.mrec", "vendorErrorCode": "F001,F003", "info": "1.11,5.00"}, ("CX023", "CX014")),
        ({"vendorId": "com.evgo.mrec", "vendorErrorCode": "F0FF"}, ()),
        ({"vendorId": "com.acme", "vendorErrorCode": "0x1F"}, ()),
        ({}, ()),
    ],
)
def test_q24_fault_names_are_parsed_and_the_original_kept(
    desk: Desk, said: dict[str, str], mrec: tuple[str, ...]
) -> None:
    station = Speaker()
    station.up()
    station.status("Faulted", 1, errorCode="OtherError", **said)
    fact = station.said[-1].facts[0]
    assert isinstance(fact, StatusReported)
    assert fact.mrec == mrec
    desk.record(station)
    connector = desk.connector()
    assert (connector.vendor_error_code, connector.info) == (said.get("vendorErrorCode"), said.get("info"))
