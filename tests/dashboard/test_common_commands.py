"""The common commands: right for every version, with nothing missing."""

from __future__ import annotations

from typing import Any

import pytest

from collector.ocpp import commands
from dashboard.common_commands import COMMON, Given, command, question, told
from laddvakt.domain.commands import CallErrorDetail, CommandResult, CommandStatus
from laddvakt.domain.errors import ConflictError
from laddvakt.domain.stations import Station

GIVEN = Given(connector_id=1002, token="APP1", transaction_id="17", number=5)


def station(protocol: str) -> Station:
    return Station(station_id="SE-1", protocol=protocol)


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
@pytest.mark.parametrize("key", COMMON)
def test_payload_fits_the_official_schema(protocol: str, key: str) -> None:
    row = COMMON[key]
    givens = [GIVEN] if row.of_connector else [GIVEN, GIVEN._replace(connector_id=0)]
    for given in givens:
        assert commands.problems(protocol, *command(row, station(protocol), given)) == ()
        assert "SE-1" in question(row, "SE-1", given.connector_id)


def test_connector_of_2x_is_named_by_its_evse() -> None:
    assert command(COMMON["unlock"], station("ocpp2.0.1"), GIVEN) == (
        "UnlockConnector",
        {"evseId": 1, "connectorId": 2},
    )
    assert command(COMMON["unlock"], station("ocpp1.6"), GIVEN)[1] == {"connectorId": 1002}


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("unlock", GIVEN._replace(connector_id=0)),
        ("start", GIVEN._replace(token="")),
        ("stop", GIVEN._replace(transaction_id="")),
    ],
)
def test_what_is_missing_is_said(key: str, given: Given) -> None:
    with pytest.raises(ConflictError):
        command(COMMON[key], station("ocpp1.6"), given)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"status": "accepted", "answer": {"status": "Scheduled"}}, "The station answered Scheduled."),
        ({"status": "accepted", "answer": {}}, "Done."),
        ({"status": "timeout", "detail": "x"}, "The station did not answer in time."),
        ({"status": "invalid", "detail": "type: wrong"}, "type: wrong."),
        (
            {"status": "callerror", "error": CallErrorDetail(code="NotSupported")},
            "The station answered with an error: NotSupported",
        ),
    ],
)
def test_answer_is_told_in_words(result: dict[str, Any], words: str) -> None:
    status = CommandStatus(result.pop("status"))
    base = CommandResult(command_id="c", station_id="SE-1", action="Reset", status=status, **result)
    assert told(base) == words
