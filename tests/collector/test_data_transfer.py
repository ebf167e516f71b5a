"""DataTransfer: contracts of Plug & Charge on 1.6, and vehicles that are announced before their transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.recorder import Scribe
from collector.registry import Registry
from laddvakt.domain.facts import TokenPresented, VehicleIdentified, VendorMessage
from laddvakt.domain.sessions import Session
from laddvakt.domain.tokens import TokenKind
from laddvakt.network.apply import apply_network
from laddvakt.network.model import Network
from laddvakt.settings import OcppSettings, RecordsSettings, Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.stations import T0, Speaker, at, stamp

KEY = "key"
PNC = "org.openchargealliance.iso15118pnc"


@pytest.fixture
def records() -> Iterator[Records]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    tokens = [
        {"id_tag": "VID:0011223344AA", "driver": "anna"},
        {"id_tag": "AB 123-C", "kind": "plate", "driver": "bo"},
        {"id_tag": "04A2B3C4", "driver": "cia"},
        {"id_tag": "SE-8AA-CA2B3C4D5", "driver": "anna", "expires_at": at(1000)},
    ]
    network = Network.model_validate(
        {
            "stations": [{"id": "SE-1"}],
            "drivers": [{"id": name} for name in ("anna", "bo", "cia")],
            "tokens": tokens,
        }
    )
    apply_network(network, store, privacy_key=KEY, now=T0)
    yield store
    store.close()


def speaker(records: Records, protocol: str = "ocpp1.6", **ocpp: Any) -> Speaker:
    registry = Registry(records, OcppSettings.model_validate(ocpp), KEY)
    registry.load()
    return Speaker("SE-1", registry.policy_for("SE-1"), protocol)


def sessions(records: Records, station: Speaker) -> list[Session]:
    Scribe(records, KEY).apply(station.said)
    station.said.clear()
    with records.read() as work:
        return sorted(work.sessions.page().items, key=lambda session: session.started_at)


def transfer(station: Speaker, data: Any, seconds: float = 0, vendor: str = "com.acme", **more: Any) -> Any:
    return station.call("DataTransfer", {"vendorId": vendor, **more, "data": data}, seconds)[2]


def contract(station: Speaker, **request: Any) -> dict[str, Any]:
    answer = transfer(station, json.dumps(request), vendor=PNC, messageId="Authorize")
    assert answer["status"] == "Accepted"
    inside: dict[str, Any] = json.loads(answer["data"])
    return inside


@pytest.mark.parametrize("token", ["SE8AACA2B3C4D5", {"idToken": "se-8aa-ca2b3c4d5", "type": "eMAID"}])
def test_contract_of_a_vehicle_is_authorised(records: Records, token: Any) -> None:
    station = speaker(records, unknown_tokens="reject")
    assert contract(station, idToken=token) == {
        "idTokenInfo": {"status": "Accepted", "cacheExpiryDateTime": stamp(1000)}
    }
    presented = [fact for fact in station.said[0].facts if isinstance(fact, TokenPresented)]
    assert [(fact.accepted, fact.token_kind) for fact in presented] == [(True, TokenKind.CONTRACT)]
    assert contract(station, idToken="SE8AACXXXXXXXX") == {"idTokenInfo": {"status": "Unknown"}}


def test_certificate_that_we_cannot_check_is_not_vouched_for(records: Records) -> None:
    refused = {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "NoCertificateAvailable"}
    assert contract(speaker(records), idToken="SE8AACA2B3C4D5", certificate="...") == refused
    token = {"idToken": "SE8AACA2B3C4D5", "type": "eMAID"}
    for protocol in ("ocpp2.0.1", "ocpp2.1"):
        asked = {"idToken": token, "certificate": "..."}
        assert speaker(records, protocol).call("Authorize", asked)[2] == refused


def test_certificate_that_the_station_has_checked_is_its_own_matter(records: Records) -> None:
    said = contract(speaker(records), idToken="SE8AACA2B3C4D5", iso15118CertificateHashData=[{}])
    assert said.keys() == {"idTokenInfo"}
    assert said["idTokenInfo"]["status"] == "Accepted"


@pytest.mark.parametrize("data", [None, "", "{", "[]", '{"idToken": 5}', '{"idToken": {"idToken": " "}}'])
def test_contract_that_cannot_be_read_is_rejected_and_kept(records: Records, data: str | None) -> None:
    station = speaker(records)
    payload = {"vendorId": PNC, "messageId": "Authorize", **({} if data is None else {"data": data})}
    assert station.call("DataTransfer", payload)[2] == {"status": "Rejected"}
    assert isinstance(station.said[0].facts[0], VendorMessage)


@pytest.mark.parametrize(
    ("data", "driver"),
    [
        ('{"evccId": "0011223344AA", "connectorId": 1}', "anna"),
        ('{"EV_MAC": "00:11:22:33:44:aa", "connectorId": "1"}', "anna"),
        ('{"vid": "VID:0011223344AA"}', "anna"),
        ("VID:0011223344AA", "anna"),
        ('{"licensePlate": "ab-123 c", "connector": 1}', "bo"),
        ('{"evccId": "0011223344AA", "connectorId": 2}', None),
        ('{"evccId": "unknown", "connectorId": 1}', None),
        ('{"plate": "", "connectorId": 1}', None),
    ],
)
def test_vehicle_that_was_announced_is_the_driver_of_the_next_transaction(
    records: Records, data: str, driver: str | None
) -> None:
    station = speaker(records)
    transfer(station, data)
    station.start(60, tag="FREEVEND")
    (session,) = sessions(records, station)
    assert session.driver_id == driver
    assert session.token_kind is (TokenKind.PLATE if driver else None)


def test_vehicle_is_announced_on_2_with_an_object(records: Records) -> None:
    station = speaker(records, "ocpp2.0.1")
    assert transfer(station, {"evccId": "0011223344AA", "evseId": 1}) == {"status": "Accepted"}
    started = {
        "eventType": "Started",
        "timestamp": stamp(60),
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-1"},
        "evse": {"id": 1, "connectorId": 1},
    }
    station.call("TransactionEvent", started, 60)
    (session,) = sessions(records, station)
    assert (session.driver_id, session.token_kind) == ("anna", TokenKind.PLATE)


def test_card_of_a_driver_counts_more_than_the_vehicle(records: Records) -> None:
    station = speaker(records)
    transfer(station, "VID:0011223344AA")
    station.start(60, tag="04A2B3C4")
    assert sessions(records, station)[0].driver_id == "cia"


def test_announced_vehicle_has_one_session_and_not_for_long(records: Records) -> None:
    station = speaker(records)
    transfer(station, "VID:0011223344AA")
    station.stop(station.start(60, tag="FREEVEND"), 1500, 120)
    station.start(180, tag="FREEVEND")
    transfer(station, "VID:0011223344AA", 1000, messageId="later")
    station.start(1000 + 601, tag="FREEVEND")
    assert [session.driver_id for session in sessions(records, station)] == ["anna", None, None]


def test_retried_start_keeps_the_vehicle(records: Records) -> None:
    station = speaker(records)
    transfer(station, "VID:0011223344AA")
    station.start(60, tag="FREEVEND")
    sessions(records, station)
    station.start(60, tag="FREEVEND")
    (session,) = sessions(records, station)
    assert session.driver_id == "anna"


NAMES = st.sampled_from(["evccId", "plate", "connectorId", "evse_id", "idToken", "certificate", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(JSON | st.text(max_size=30), st.sampled_from([PNC, "iso15118", "com.acme"]), st.booleans())
def test_no_data_breaks_the_reading(data: Any, vendor: str, as_text: bool) -> None:
    text = json.dumps(data) if as_text or not isinstance(data, str) else data
    station = Speaker()
    payload = {"vendorId": vendor, "messageId": "Authorize", "data": text}
    kind, _, reply = station.call("DataTransfer", payload)
    assert kind == 3
    assert reply["status"] in {"Accepted", "Rejected", "UnknownVendorId"}
    for fact in station.said[0].facts:
        assert not isinstance(fact, VehicleIdentified) or fact.id_tag.strip()


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_data_nested_beyond_reading_is_kept_as_it_is(opening: str) -> None:
    data = opening * 600
    speaker = Speaker()
    reply = speaker.call("DataTransfer", {"vendorId": "com.acme", "data": data})
    assert reply[2] == {"status": "UnknownVendorId"}
    assert [fact.data for fact in speaker.said[-1].facts if isinstance(fact, VendorMessage)] == [data]
