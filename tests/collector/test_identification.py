"""Drivers identify themselves: from the network file over the station's words to the session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from collector.ocpp import schemas
from collector.recorder import Scribe
from collector.registry import Registry
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.tokens import AuthorizationStatus, TokenKind
from laddvakt.network.apply import apply_network
from laddvakt.network.model import Network
from laddvakt.settings import OcppSettings, RecordsSettings, Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.stations import T0, Speaker, at, stamp

KEY = "key"
TOKENS: list[dict[str, Any]] = [
    {"id_tag": "04:A2:B3:C4", "driver": "anna", "group": "FAMILY"},
    {"id_tag": "05A2B3C4", "group": "FAMILY"},
    {"id_tag": "06A2B3C4", "expires_at": at(100)},
    {"id_tag": "ab 123-c", "kind": "plate", "driver": "anna"},
    {"id_tag": "VID:0011223344AA", "driver": "anna"},
    {"id_tag": "SE-8AA-CA2B3C4D5-9", "kind": "contract", "driver": "anna"},
    {"id_tag": "app-anna", "kind": "app", "driver": "anna"},
    *({"id_tag": f"is {status}", "status": status.value} for status in AuthorizationStatus),
]


@pytest.fixture
def records() -> Iterator[Records]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    network = Network.model_validate(
        {"stations": [{"id": "SE-1"}, {"id": "SE-2"}], "drivers": [{"id": "anna"}], "tokens": TOKENS}
    )
    apply_network(network, store, privacy_key=KEY, now=T0)
    yield store
    store.close()


def registry_of(records: Records, **ocpp: object) -> Registry:
    registry = Registry(records, OcppSettings.model_validate(ocpp), KEY)
    registry.load()
    return registry


def station(records: Records, protocol: str = "ocpp1.6", station_id: str = "SE-1", **ocpp: object) -> Speaker:
    return Speaker(station_id, registry_of(records, **ocpp).policy_for(station_id), protocol)


def sessions(records: Records, *stations: Speaker) -> list[Session]:
    """Of all that was said."""
    for speaker in stations:
        Scribe(records, KEY).apply(speaker.said)
        speaker.said.clear()
    with records.read() as work:
        return sorted(work.sessions.page().items, key=lambda session: session.started_at)


def event(kind: str, id_token: dict[str, str] | None = None, number: int = 0, **more: Any) -> dict[str, Any]:
    info = {"transactionId": "T-1", **more.pop("info", {})}
    return {
        "eventType": kind,
        "timestamp": stamp(number),
        "triggerReason": "Authorized",
        "seqNo": number,
        "transactionInfo": info,
        "evse": {"id": 1, "connectorId": 1},
        **({"idToken": id_token} if id_token else {}),
        **more,
    }


@pytest.mark.parametrize(
    ("id_tag", "kind", "driver"),
    [
        ("04a2b3c4", TokenKind.RFID, "anna"),
        ("04A2B3C4", TokenKind.RFID, "anna"),
        ("AB123C", TokenKind.PLATE, "anna"),
        ("AB-123 C", TokenKind.PLATE, "anna"),
        ("VID:0011223344AA", TokenKind.PLATE, "anna"),
        ("00:11:22:33:44:aa", TokenKind.PLATE, "anna"),
        ("SE8AACA2B3C4D5", TokenKind.CONTRACT, "anna"),
        ("APP-ANNA", TokenKind.APP, "anna"),
        ("VID:FFFFFFFFFFFF", TokenKind.PLATE, None),
        ("nobody", None, None),
    ],
)
def test_session_of_1_6_knows_driver_and_kind(
    records: Records, id_tag: str, kind: TokenKind | None, driver: str | None
) -> None:
    speaker = station(records)
    speaker.start(tag=id_tag)
    (session,) = sessions(records, speaker)
    assert (session.token_kind, session.driver_id) == (kind, driver)
    assert session.token is not None


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
@pytest.mark.parametrize(
    ("id_token", "kind", "driver"),
    [
        ({"idToken": "04A2B3C4", "type": "ISO14443"}, TokenKind.RFID, "anna"),
        ({"idToken": "00:11:22:33:44:AA", "type": "MacAddress"}, TokenKind.PLATE, "anna"),
        ({"idToken": "SE8AACA2B3C4D5", "type": "eMAID"}, TokenKind.CONTRACT, "anna"),
        ({"idToken": "SE-8AA-CA2B3C4D5", "type": "eMAID"}, TokenKind.CONTRACT, "anna"),
        ({"idToken": "SE7AACA2B3C4D5", "type": "eMAID"}, TokenKind.CONTRACT, None),
        ({"idToken": "b4ab9f11-0000", "type": "Central"}, TokenKind.APP, None),
        ({"idToken": "1234", "type": "KeyCode"}, None, None),
        ({"idToken": "", "type": "NoAuthorization"}, None, None),
    ],
)
def test_session_of_2_knows_driver_and_kind(
    records: Records, protocol: str, id_token: dict[str, str], kind: TokenKind | None, driver: str | None
) -> None:
    speaker = station(records, protocol)
    reply = speaker.call("TransactionEvent", event("Started", id_token))[2]
    assert reply == {"idTokenInfo": {"status": "Accepted"} | group_of(id_token)}
    (session,) = sessions(records, speaker)
    assert (session.token_kind, session.driver_id) == (kind, driver)
    assert (session.token is None) == (id_token["type"] == "NoAuthorization")


def group_of(id_token: dict[str, str]) -> dict[str, Any]:
    family = id_token["idToken"] == "04A2B3C4"
    return {"groupIdToken": {"idToken": "FAMILY", "type": "Central"}} if family else {}


def test_remote_start_that_names_no_type_of_its_own_is_of_the_app(records: Records) -> None:
    speaker = station(records, "ocpp2.0.1")
    token = {"idToken": "whoever", "type": "Local"}
    speaker.call("TransactionEvent", event("Started", token, info={"remoteStartId": 5}))
    assert sessions(records, speaker)[0].token_kind is TokenKind.APP


def test_payment_card_of_a_terminal(records: Records) -> None:
    speaker = station(records, "ocpp2.1")
    speaker.call("TransactionEvent", event("Started", {"idToken": "psp-1", "type": "DirectPayment"}))
    assert sessions(records, speaker)[0].token_kind is TokenKind.CARD


def test_token_that_comes_after_the_cable_is_of_the_session(records: Records) -> None:
    speaker = station(records, "ocpp2.0.1")
    speaker.call("TransactionEvent", event("Started"))
    speaker.call("TransactionEvent", event("Updated", {"idToken": "00:11:22:33:44:AA", "type": "MacAddress"}, 1))
    (session,) = sessions(records, speaker)
    assert (session.token_kind, session.driver_id) == (TokenKind.PLATE, "anna")


def test_group_and_end_of_validity_are_told(records: Records) -> None:
    told = station(records).call("Authorize", {"idTag": "05A2B3C4"})[2]["idTagInfo"]
    assert told == {"status": "Accepted", "parentIdTag": "FAMILY"}
    told = station(records).call("Authorize", {"idTag": "06A2B3C4"})[2]["idTagInfo"]
    assert told == {"status": "Accepted", "expiryDate": stamp(100)}
    told = station(records).call("Authorize", {"idTag": "06A2B3C4"}, 200)[2]["idTagInfo"]
    assert told == {"status": "Expired", "expiryDate": stamp(100)}
    for protocol in ("ocpp2.0.1", "ocpp2.1"):
        token = {"idToken": "06A2B3C4", "type": "ISO14443"}
        told = station(records, protocol).call("Authorize", {"idToken": token})[2]["idTokenInfo"]
        assert told == {"status": "Accepted", "cacheExpiryDateTime": stamp(100)}


def test_keys_are_in_the_order_of_the_schemas(records: Records) -> None:
    token = {"id_tag": "07A2B3C4", "group": "FAMILY", "expires_at": at(100)}
    apply_network(Network.model_validate({"tokens": [token]}), records, privacy_key=KEY, now=T0)
    told = station(records).call("Authorize", {"idTag": "07A2B3C4"})[2]["idTagInfo"]
    assert list(told) == ["expiryDate", "parentIdTag", "status"]
    id_token = {"idToken": "07A2B3C4", "type": "ISO14443"}
    told = station(records, "ocpp2.1").call("Authorize", {"idToken": id_token})[2]["idTokenInfo"]
    assert list(told) == ["status", "cacheExpiryDateTime", "groupIdToken"]


IN_16 = {
    "NoCredit": "Blocked",
    "NotAllowedTypeEVSE": "Invalid",
    "NotAtThisLocation": "Invalid",
    "NotAtThisTime": "Invalid",
    "Unknown": "Invalid",
}


@pytest.mark.parametrize("status", list(AuthorizationStatus))
def test_each_status_has_a_word_in_each_version(records: Records, status: AuthorizationStatus) -> None:
    reply = station(records).call("Authorize", {"idTag": f"is {status}"})[2]
    assert reply["idTagInfo"]["status"] == IN_16.get(status, status)
    schemas.response_validator("ocpp1.6", "Authorize").validate(reply)
    for protocol in ("ocpp2.0.1", "ocpp2.1"):
        token = {"idToken": f"is {status}", "type": "Central"}
        reply = station(records, protocol).call("Authorize", {"idToken": token})[2]
        assert reply == {"idTokenInfo": {"status": status}}
        schemas.response_validator(protocol, "Authorize").validate(reply)


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
def test_session_that_a_refused_token_started_is_held(records: Records, protocol: str) -> None:
    speaker = station(records, protocol)
    if protocol == "ocpp1.6":
        speaker.stop(speaker.start(tag="is Blocked"), 1500, 60)
    else:
        token = {"idToken": "is Blocked", "type": "ISO14443"}
        speaker.call("TransactionEvent", event("Started", token))
        speaker.call("TransactionEvent", event("Ended", token, 1))
    (session,) = sessions(records, speaker)
    assert session.state is SessionState.ENDED
    assert session.quality is Quality.SUSPECT
    assert "started with a token that was refused: Blocked" in session.quality_reasons


def test_quirk_8_rejected_start_does_not_close_the_live_session(records: Records) -> None:
    speaker = station(records, unknown_tokens="reject")
    first = speaker.start(0, tag="04A2B3C4")
    speaker.energy(first, 1200, 60)
    second = speaker.start(70, meter=1200, tag="stranger")
    live, refused = sessions(records, speaker)
    assert (live.state, refused.quality) == (SessionState.ACTIVE, Quality.SUSPECT)
    with records.read() as work:
        known = work.stations.get("SE-1")
    assert known is not None
    assert known.connectors[0].session_id == live.session_id
    speaker.stop(second, 1200, 75, reason="DeAuthorized")
    speaker.energy(first, 1500, 90)
    speaker.stop(first, 2000, 120)
    live, refused = sessions(records, speaker)
    assert (live.energy_wh, live.quality) == (1000, Quality.CONFIRMED)
    assert (refused.energy_wh, refused.state) == (0, SessionState.ENDED)


def stop_info(speaker: Speaker, transaction: int, id_tag: str) -> dict[str, Any]:
    info: dict[str, Any] = speaker.stop(transaction, 1500, 60, idTag=id_tag)[2]["idTagInfo"]
    return info


@pytest.mark.parametrize(
    ("id_tag", "status"),
    [("04A2B3C4", "Accepted"), ("05A2B3C4", "Accepted"), ("app-anna", "Invalid"), ("stranger", "Invalid")],
)
def test_stop_by_another_card_is_told_and_recorded(records: Records, id_tag: str, status: str) -> None:
    speaker = station(records)
    number = speaker.start(tag="04A2B3C4")
    sessions(records, speaker)
    speaker = station(records)  # any collector, once it has read the records
    assert stop_info(speaker, number, id_tag)["status"] == status
    (session,) = sessions(records, speaker)
    assert (session.state, session.energy_wh, session.driver_id) == (SessionState.ENDED, 500, "anna")
    assert session.quality is Quality.CONFIRMED


def test_stop_of_a_transaction_that_nobody_knows_is_answered_by_the_card_alone(records: Records) -> None:
    assert stop_info(station(records), 4711, "app-anna") == {"status": "Accepted"}


@pytest.mark.parametrize(("id_tag", "status"), [("05A2B3C4", "Accepted"), ("app-anna", "Invalid")])
def test_end_by_another_card_is_told_and_recorded_in_2(records: Records, id_tag: str, status: str) -> None:
    speaker = station(records, "ocpp2.0.1")
    speaker.call("TransactionEvent", event("Started", {"idToken": "04A2B3C4", "type": "ISO14443"}))
    sessions(records, speaker)
    speaker = station(records, "ocpp2.0.1")
    other = {"idToken": id_tag, "type": "Local"}
    shown = event("Updated", other, 1, triggerReason="StopAuthorized")
    assert speaker.call("TransactionEvent", shown)[2]["idTokenInfo"]["status"] == status
    assert speaker.call("TransactionEvent", event("Ended", other, 2))[2]["idTokenInfo"]["status"] == status
    (session,) = sessions(records, speaker)
    assert (session.state, session.driver_id) == (SessionState.ENDED, "anna")
    assert not any("refused" in reason for reason in session.quality_reasons)


def start_info(speaker: Speaker, seconds: float = 0, connector: int = 1, id_tag: str = "04A2B3C4") -> str:
    payload = {"connectorId": connector, "idTag": id_tag, "meterStart": 0, "timestamp": stamp(seconds)}
    status: str = speaker.call("StartTransaction", payload, seconds)[2]["idTagInfo"]["status"]
    return status


def test_token_in_a_session_elsewhere_is_concurrent_where_the_operator_says_so(records: Records) -> None:
    first = station(records)
    assert start_info(first) == "Accepted"
    sessions(records, first)
    other = station(records, station_id="SE-2", concurrent_sessions="refuse")
    assert other.call("Authorize", {"idTag": "04a2b3c4"})[2]["idTagInfo"]["status"] == "ConcurrentTx"
    assert start_info(other) == "ConcurrentTx"
    assert start_info(other, id_tag="05A2B3C4") == "Accepted"  # of the same group, but another card
    assert start_info(station(records, station_id="SE-2")) == "Accepted"
    reasons = {reason for session in sessions(records, other) for reason in session.quality_reasons}
    assert "started with a token that was refused: ConcurrentTx" in reasons


def test_token_is_never_concurrent_with_its_own_session(records: Records) -> None:
    first = station(records)
    start_info(first)
    sessions(records, first)
    same = station(records, concurrent_sessions="refuse")
    assert start_info(same, 0) == "Accepted"  # the retry of a start whose reply was lost
    assert start_info(same, 60) == "Accepted"  # on the same connector: the former one is over
    assert start_info(same, 60, connector=2) == "ConcurrentTx"
    assert same.call("Authorize", {"idTag": "04A2B3C4"})[2]["idTagInfo"]["status"] == "Accepted"  # to stop


def test_end_of_a_session_is_heard_on_the_live_feed(records: Records) -> None:
    first = station(records)
    number = first.start(tag="04A2B3C4")
    (session,) = sessions(records, first)
    registry = registry_of(records, concurrent_sessions="refuse")
    other = Speaker("SE-2", registry.policy_for("SE-2"))
    assert start_info(other) == "ConcurrentTx"
    first.stop(number, 1500, 60)
    (session,) = sessions(records, first)
    registry.hear("session", msgspec.json.encode(session))
    assert start_info(other, 60) == "Accepted"
    registry.hear("station", b"{}")
