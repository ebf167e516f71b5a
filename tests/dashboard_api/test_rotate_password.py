"""POST /api/v1/stations/{id}/rotate-password."""

from __future__ import annotations

from typing import Any

import pytest

from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.stations import Station
from laddvakt.network.passwords import STATION_HASHER
from laddvakt.stores.ports import Credentials
from tests.support.webapp import Web

PATH = "/api/v1/stations/SE-1/rotate-password"


@pytest.fixture(autouse=True)
def station(web: Web) -> None:
    with web.records.begin() as work:
        work.stations.save([Station(station_id="SE-1", registered=True, protocol="ocpp2.0.1")])
        work.stations.set_credentials("SE-1", Credentials(password_hash="old"))


def kept(web: Web) -> Credentials:
    with web.records.read() as work:
        return work.stations.credentials()["SE-1"]


def test_station_is_told_and_both_passwords_count(web: Web) -> None:
    response = web.program("maintainer").post(PATH)
    assert (response.status_code, response.json()["status"]) == (200, "accepted")
    (asked,) = web.commands.asked
    (data,) = asked.payload["setVariableData"]
    assert asked.action == "SetVariables"
    assert (data["component"], data["variable"]) == ({"name": "SecurityCtrlr"}, {"name": "BasicAuthPassword"})
    password = data["attributeValue"]
    assert 16 <= len(password) <= 40  # OCPP 2.0.1 part 2 appendix 3, BasicAuthPassword
    assert kept(web).password_hash == "old"
    assert STATION_HASHER.verify(kept(web).next_password_hash or "", password)


def test_nobody_is_shown_the_password(web: Web) -> None:
    response = web.program("admin").post(PATH)
    password = web.commands.asked[0].payload["setVariableData"][0]["attributeValue"]
    with web.records.read() as work:
        audit = str(work.people.audit_page().items)
    assert "SetVariables" in audit
    assert password not in audit + response.text


def test_station_of_16_is_told_its_way(web: Web) -> None:
    with web.records.begin() as work:
        work.stations.save([Station(station_id="SE-1", registered=True, protocol="ocpp1.6")])
    web.program("admin").post(PATH)
    (asked,) = web.commands.asked
    assert (asked.action, asked.payload["key"]) == ("ChangeConfiguration", "AuthorizationKey")
    assert len(bytes.fromhex(asked.payload["value"])) == 20  # OCPP 1.6 security whitepaper, AuthorizationKey


@pytest.mark.parametrize(
    ("status", "code", "counts"),
    [
        (CommandStatus.REJECTED, 200, False),
        (CommandStatus.NOT_CONNECTED, 409, False),
        (CommandStatus.NOT_SENT, 504, False),
        (CommandStatus.TIMEOUT, 504, True),  # it may have taken it
        (CommandStatus.LOST, 502, True),
    ],
)
def test_new_password_counts_while_the_station_may_have_it(
    web: Web, status: CommandStatus, code: int, counts: bool
) -> None:
    web.commands.status, web.commands.more = status, {}
    assert web.program("admin").post(PATH).status_code == code
    assert (kept(web).next_password_hash is not None) == counts
    assert kept(web).password_hash == "old"


def test_password_that_was_never_shown_is_not_overwritten_by_chance(web: Web) -> None:
    client = web.program("admin")
    client.post(PATH)
    before = kept(web)
    refused: Any = client.post(PATH)
    assert refused.status_code == 409
    assert kept(web) == before
    assert client.post(PATH, params={"again": "true"}).status_code == 200
    assert kept(web) != before


def test_unknown_station_and_roles(web: Web) -> None:
    assert web.program("admin").post("/api/v1/stations/SE-9/rotate-password").status_code == 404
    assert web.program("viewer").post(PATH).status_code == 403
    assert web.commands.asked == []
