"""Local lists: what is sent to a station that holds one version so that it holds the newest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ocpp import schemas
from collector.ocpp.local_list import Room, held_version, messages, question, room_of, version_of
from laddvakt.domain.tokens import AuthorizationStatus, Token, TokenKind
from laddvakt.stores.ports import ListedToken
from tests.support.stations import at, stamp

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
FIRST = 200_000_000  # a version, as they are


def token(id_tag: str, listed: int = FIRST, **more: Any) -> ListedToken:
    return ListedToken(token=Token(token=f"tok_{id_tag}", label="", **more), id_tag=id_tag, listed=listed)


class Station:
    """Keeps a list as the specification says, and is strict about it."""

    def __init__(self, protocol: str, *, version: int = 0, entries: dict[str, Any] | None = None) -> None:
        self.protocol = protocol
        self.version = version
        self.entries = entries or {}

    def take(self, payload: dict[str, Any]) -> None:
        assert not list(schemas.violations(schemas.request_validator(self.protocol, "SendLocalList"), payload))
        version = payload["listVersion" if self.protocol == "ocpp1.6" else "versionNumber"]
        if payload["updateType"] == "Full":
            self.entries = {}
        else:
            assert version > self.version, "VersionMismatch"
        for entry in payload.get("localAuthorizationList", []):
            if self.protocol == "ocpp1.6":
                self.entries[entry["idTag"]] = entry["idTagInfo"]["status"]
            else:
                self.entries[entry["idToken"]["idToken"]] = entry["idTokenInfo"]["status"]
        self.version = version


@st.composite
def histories(draw: st.DrawFn) -> list[list[ListedToken]]:
    """A list as it was after each import."""
    states: list[list[ListedToken]] = []
    current: dict[str, ListedToken] = {}
    version = FIRST
    for _ in range(draw(st.integers(1, 4))):
        version += draw(st.integers(1, 3))
        for number in draw(st.lists(st.integers(0, 9), min_size=1, max_size=6)):
            status = draw(st.sampled_from([AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED]))
            current[f"T{number}"] = token(f"T{number}", version, status=status)
        states.append(list(current.values()))
    return states


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(histories(), st.integers(1, 4), st.data())
def test_station_holds_the_newest_list_whatever_it_held_before(
    protocol: str, states: list[list[ListedToken]], per_message: int, data: st.DataObject
) -> None:
    room = Room(per_message=per_message)
    station = Station(protocol)
    if data.draw(st.booleans()):  # of another central system
        station = Station(protocol, version=data.draw(st.integers(1, 50)), entries={"FOREIGN": "Accepted"})
    for state in states:
        sent = messages(protocol, state, station.version, room)
        if data.draw(st.booleans()):  # the connection ends on the way
            sent = sent[: data.draw(st.integers(0, len(sent)))]
        for payload in sent:
            assert len(payload.get("localAuthorizationList", [])) <= per_message
            station.take(payload)
    for payload in messages(protocol, states[-1], station.version, room):
        station.take(payload)
    assert station.version == version_of(states[-1])
    assert station.entries == {listed.id_tag: listed.token.status for listed in states[-1]}
    assert not messages(protocol, states[-1], station.version, room)


def test_only_changes_are_sent_to_a_station_that_is_nearly_there() -> None:
    listed = [token("A"), token("B", FIRST + 9), token("C")]
    (payload,) = messages("ocpp1.6", listed, FIRST, Room())
    assert payload == {
        "listVersion": FIRST + 9,
        "localAuthorizationList": [{"idTag": "B", "idTagInfo": {"status": "Accepted"}}],
        "updateType": "Differential",
    }


def test_version_of_another_central_system_is_not_built_upon() -> None:
    (payload,) = messages("ocpp1.6", [token("A"), token("B", FIRST + 9)], FIRST + 5, Room())
    assert payload["updateType"] == "Full"


def test_entries_carry_validity_group_and_the_words_of_the_version() -> None:
    listed = [
        token("04:a2:b3:c4", group_id="G", expires_at=at(0)),
        token("VID:0011223344AA", kind=TokenKind.PLATE, status=AuthorizationStatus.NO_CREDIT),
    ]
    (payload,) = messages("ocpp1.6", listed, 0, Room())
    assert payload["localAuthorizationList"] == [
        {"idTag": "04A2B3C4", "idTagInfo": {"status": "Accepted", "expiryDate": stamp(0), "parentIdTag": "G"}},
        {"idTag": "VID:0011223344AA", "idTagInfo": {"status": "Blocked"}},
    ]
    (payload,) = messages("ocpp2.0.1", listed, 0, Room())
    first, second = payload["localAuthorizationList"]
    assert first["idToken"] == {"idToken": "04A2B3C4", "type": "ISO14443"}
    assert first["idTokenInfo"]["cacheExpiryDateTime"] == stamp(0)
    assert (second["idToken"]["type"], second["idTokenInfo"]) == ("MacAddress", {"status": "NoCredit"})


def test_station_that_takes_fewer_gets_those_that_may_charge() -> None:
    listed = [token("A", status=AuthorizationStatus.BLOCKED), token("B"), token("C")]
    (payload,) = messages("ocpp1.6", listed, 0, Room(entries=2))
    assert [entry["idTag"] for entry in payload["localAuthorizationList"]] == ["B", "C"]
    listed = [*listed[:2], token("C", FIRST + 1)]
    (payload,) = messages("ocpp1.6", listed, FIRST, Room(entries=2))
    assert payload["updateType"] == "Full"


def test_token_too_long_for_the_version_is_left_out() -> None:
    listed = [token("X" * 21), token("A")]
    (payload,) = messages("ocpp1.6", listed, 0, Room())
    assert [entry["idTag"] for entry in payload["localAuthorizationList"]] == ["A"]
    assert len(messages("ocpp2.0.1", listed, 0, Room())[0]["localAuthorizationList"]) == 2
    (payload,) = messages("ocpp2.0.1", [token("X" * 37)], 0, Room())
    assert "localAuthorizationList" not in payload  # 2.x: a list has at least one entry


def keys(**said: str) -> dict[str, Any]:
    return {"configurationKey": [{"key": name, "readonly": True, "value": value} for name, value in said.items()]}


def variables(**said: str) -> dict[str, Any]:
    component = {"name": "LocalAuthListCtrlr"}
    results = [
        {
            "attributeStatus": "Accepted",
            "attributeValue": value,
            "component": component,
            "variable": {"name": name},
        }
        for name, value in said.items()
    ]
    return {"getVariableResult": results}


@pytest.mark.parametrize(
    ("answer", "room"),
    [
        ({}, Room()),
        (keys(SendLocalListMaxLength="20", LocalAuthListMaxLength="100"), Room(20, 100)),
        (keys(SendLocalListMaxLength="", LocalAuthListMaxLength="lots"), Room()),
        (keys(SupportedFeatureProfiles="Core,LocalAuthListManagement", LocalAuthListEnabled="true"), Room()),
        (keys(SupportedFeatureProfiles="Core,FirmwareManagement"), None),
        (keys(LocalAuthListEnabled="False"), None),
        (variables(ItemsPerMessage="10", Enabled="true"), Room(10)),
        (variables(Available="false"), None),
        ({"configurationKey": "x", "getVariableResult": [1, {}]}, Room()),
    ],
)
def test_room_is_what_the_station_says(answer: dict[str, Any], room: Room | None) -> None:
    assert room_of(answer) == room


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["configurationKey", "getVariableResult", "listVersion", "versionNumber", "key", "variable"]
)


@given(st.dictionaries(NAMES, JSON | st.lists(st.dictionaries(NAMES, JSON))))
def test_no_answer_breaks_the_reading(answer: dict[str, Any]) -> None:
    room = room_of(answer)
    assert room is None or (room.per_message > 0 and room.entries > 0)
    assert (held_version(answer) or 0) >= 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_questions_are_as_the_schema_has_them(protocol: str) -> None:
    action, payload = question(protocol)
    assert not list(schemas.violations(schemas.request_validator(protocol, action), payload))
