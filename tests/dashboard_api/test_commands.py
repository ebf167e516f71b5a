"""POST and GET /api/v1/stations/{id}/commands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from laddvakt.domain.commands import CallErrorDetail, CommandStatus, SentCommand
from laddvakt.domain.errors import EventLogError
from laddvakt.domain.stations import Station
from tests.support.webapp import NOON, Web

PATH = "/api/v1/stations/SE-1/commands"
RESET = {"command": "Reset", "payload": {"type": "Soft"}}


@pytest.fixture(autouse=True)
def station(web: Web) -> None:
    with web.records.begin() as work:
        work.stations.save([Station(station_id="SE-1")])


@pytest.mark.parametrize("role", ["maintainer", "admin"])
def test_command_is_sent_and_its_answer_comes_back(web: Web, role: str) -> None:
    response = web.program(role).post(PATH, json={**RESET, "timeout_s": 5})
    assert response.status_code == 200
    assert response.json()["status"] == "accepted"
    assert response.json()["answer"] == {"status": "Accepted"}
    (asked,) = web.commands.asked
    assert (asked.station_id, asked.action, asked.payload, asked.timeout_s) == (
        "SE-1",
        "Reset",
        {"type": "Soft"},
        5,
    )
    assert asked.actor == f"token:{role}"


def test_rejection_is_an_answer(web: Web) -> None:
    web.commands.status, web.commands.more = CommandStatus.REJECTED, {"answer": {"status": "Rejected"}}
    response = web.program("admin").post(PATH, json=RESET)
    assert (response.status_code, response.json()["status"]) == (200, "rejected")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (CommandStatus.INVALID, 422),
        (CommandStatus.NOT_CONNECTED, 409),
        (CommandStatus.BUSY, 429),
        (CommandStatus.LOST, 502),
        (CommandStatus.TIMEOUT, 504),
        (CommandStatus.NOT_SENT, 504),
    ],
)
def test_what_is_no_answer_is_a_problem(web: Web, status: CommandStatus, code: int) -> None:
    web.commands.status, web.commands.more = status, {"detail": "so it is"}
    response = web.program("admin").post(PATH, json=RESET)
    assert response.status_code == response.json()["status"] == code
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["detail"] == "Reset to SE-1: so it is."
    assert response.json()["result"]["status"] == status


def test_call_error_is_told_as_the_station_said_it(web: Web) -> None:
    error = CallErrorDetail(code="NotSupported", description="no", details={"a": 1})
    web.commands.status, web.commands.more = CommandStatus.CALLERROR, {"error": error}
    response = web.program("admin").post(PATH, json=RESET)
    assert response.status_code == 502
    assert response.json()["detail"] == "Reset to SE-1: NotSupported: no."
    assert response.json()["result"]["error"]["details"] == {"a": 1}


def test_wrong_field_of_a_payload_is_named(web: Web) -> None:
    problems = ('type: "Warm" is not one of "Hard" or "Soft"', 'payload: "x" is a required property')
    web.commands.status, web.commands.more = CommandStatus.INVALID, {"problems": problems}
    errors = web.program("admin").post(PATH, json=RESET).json()["errors"]
    assert [error["where"] for error in errors] == ["body.payload.type", "body.payload"]


def test_broken_way_to_the_stations_is_unavailable(web: Web) -> None:
    web.commands.error = EventLogError("the way to the collectors is broken.")
    response = web.program("admin").post(PATH, json=RESET)
    assert response.status_code == 503
    assert "collectors" in response.json()["detail"]
    assert web.audit()[0].detail["outcome"] == "unknown"


def test_unknown_station_is_not_found_and_nothing_is_sent(web: Web) -> None:
    assert web.program("admin").post("/api/v1/stations/SE-9/commands", json=RESET).status_code == 404
    assert web.program("admin").get("/api/v1/stations/SE-9/commands").status_code == 404
    assert web.commands.asked == []


def test_nothing_is_sent_while_the_records_are_away(web: Web) -> None:
    client = web.program("admin")
    client.get(PATH)
    web.records.away = True
    assert client.post(PATH, json=RESET).status_code == 503
    assert web.commands.asked == []


@pytest.mark.parametrize(
    "body",
    [{}, {"command": ""}, {"command": "Reset", "payload": []}, {**RESET, "timeout_s": 0}, {**RESET, "x": 1}],
)
def test_bad_bodies(web: Web, body: dict[str, Any]) -> None:
    assert web.program("admin").post(PATH, json=body).status_code == 422
    assert web.commands.asked == []


@pytest.mark.parametrize("role", ["viewer", "manager", "driver"])
def test_commands_are_for_maintainers(web: Web, role: str) -> None:
    assert web.program(role).post(PATH, json=RESET).status_code == 403
    assert web.nobody().post(PATH, json=RESET).status_code == 401
    assert web.commands.asked == []


# Audit


def test_command_is_audited_with_its_outcome(web: Web) -> None:
    web.commands.status = CommandStatus.TIMEOUT
    web.program("maintainer").post(PATH, json=RESET)
    item = web.audit()[0]
    assert (item.actor, item.action, item.object) == ("token:maintainer", "station.command", "SE-1")
    assert item.detail == {
        "command": "Reset",
        "payload": {"type": "Soft"},
        "outcome": "timeout",
        "command_id": web.commands.asked[0].command_id,
    }


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ({"key": "AuthorizationKey", "value": "s3cret"}, {"key": "AuthorizationKey", "value": "••••"}),
        ({"idTag": "ABCDEF99"}, {"idTag": "••••99"}),
    ],
)
def test_audit_holds_no_secret_and_no_token(web: Web, payload: dict[str, Any], shown: dict[str, Any]) -> None:
    web.program("admin").post(PATH, json={"command": "X", "payload": payload})
    assert web.commands.asked[0].payload == payload
    assert web.audit()[0].detail["payload"] == shown


def test_audit_of_a_long_payload_says_how_long(web: Web) -> None:
    web.program("admin").post(PATH, json={"command": "X", "payload": {"data": "x" * 5000}})
    assert web.audit()[0].detail["payload"] == {"…": "5012 characters"}


# History


def test_history_is_newest_first_and_pages(web: Web) -> None:
    with web.records.begin() as work:
        work.commands.save(
            SentCommand(
                command_id=f"c{number}",
                station_id="SE-1",
                action="Reset",
                actor="anna",
                request="{}",
                sent_at=NOON + timedelta(seconds=number),
                status=CommandStatus.ACCEPTED,
            )
            for number in range(3)
        )
    client = web.program("manager")
    first = client.get(f"{PATH}?limit=2").json()
    assert [item["command_id"] for item in first["items"]] == ["c2", "c1"]
    rest = client.get(PATH, params={"after": first["next"]}).json()
    assert [item["command_id"] for item in rest["items"]] == ["c0"]
    assert client.get(f"{PATH}?after=!").status_code == 422


@pytest.mark.parametrize("role", ["viewer", "driver"])
def test_history_names_people_and_is_not_for_the_wall(web: Web, role: str) -> None:
    assert web.program(role).get(PATH).status_code == 403
