"""The history of commands, and remote starts that lead to their sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collector.recorder import Scribe
from laddvakt.domain.commands import CommandStatus, SentCommand
from laddvakt.domain.sessions import Session
from laddvakt.domain.tokens import TokenKind
from laddvakt.settings import RecordsSettings, Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.stations import Speaker, at, stamp

YES = {"status": "Accepted"}
V2 = ("ocpp2.0.1", "ocpp2.1")


@pytest.fixture
def records() -> Iterator[Records]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    yield store
    store.close()


def record(records: Records, station: Speaker, *, singly: bool = False) -> None:
    scribe = Scribe(records, "key")
    for group in [[entry] for entry in station.said] if singly else [station.said]:
        scribe.apply(group)
    station.said.clear()


def history(records: Records) -> list[SentCommand]:
    with records.read() as work:
        return list(work.commands.page("SE-1").items)


def session(records: Records) -> Session:
    with records.read() as work:
        return work.sessions.page().items[0]


def started_v2(station: Speaker, seconds: float, **more: Any) -> None:
    info = {"transactionId": "T-1", **({"remoteStartId": more.pop("remote")} if "remote" in more else {})}
    payload = {
        "eventType": "Started",
        "timestamp": stamp(seconds),
        "triggerReason": "RemoteStart",
        "seqNo": 0,
        "transactionInfo": info,
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": "APP1", "type": "Central"},
    }
    station.call("TransactionEvent", {**payload, **more}, seconds)


@pytest.mark.parametrize("singly", [False, True])
def test_history_says_who_asked_what_and_what_came_of_it(records: Records, singly: bool) -> None:
    station = Speaker()
    number = station.command("Reset", {"type": "Soft"}, 5, {"status": "Rejected"})
    record(records, station, singly=singly)
    assert history(records) == [
        SentCommand(
            command_id=number,
            station_id="SE-1",
            action="Reset",
            actor="anna",
            request='{"type":"Soft"}',
            sent_at=at(5),
            status=CommandStatus.REJECTED,
            said='{"status":"Rejected"}',
            answered_at=at(5),
        )
    ]


def test_timeout_is_history_and_a_late_answer_corrects_it(records: Records) -> None:
    station = Speaker()
    number = station.command("ClearCache", {})
    answered = station.link.outbox._outstanding[number].command
    assert station.link.outbox.give_up(number) is CommandStatus.TIMEOUT
    station.said.append(station.link.unanswered(answered, CommandStatus.TIMEOUT, at(30)))
    record(records, station)
    (command,) = history(records)
    assert (command.status, command.answered_at) == (CommandStatus.TIMEOUT, None)
    station.text(f'[3,"{number}",{{"status":"Accepted"}}]', 40)
    record(records, station)
    (command,) = history(records)
    assert (command.status, command.answered_at, command.late) == (CommandStatus.ACCEPTED, at(40), True)


def test_ids_that_another_central_system_counts_anew_are_kept_apart(records: Records) -> None:
    station = Speaker()
    for seconds in (1, 2):
        station.said.append(station.link.sent('[2,"1","Reset",{"type":"Soft"}]', at(seconds)))
        station.text('[3,"1",{"status":"Accepted"}]', seconds)
    record(records, station)
    assert [(c.sent_at, c.status) for c in history(records)] == [(at(2), "accepted"), (at(1), "accepted")]


@pytest.mark.parametrize("singly", [False, True])
@pytest.mark.parametrize("where", [{}, {"connectorId": 1}])
def test_16_session_of_a_remote_start_knows_it(records: Records, where: dict[str, Any], singly: bool) -> None:
    station = Speaker()
    number = station.command("RemoteStartTransaction", {"idTag": "app1", **where}, 0, YES)
    station.start(20, tag="APP1")
    record(records, station, singly=singly)
    assert session(records).command_id == number
    assert session(records).token_kind is TokenKind.APP
    assert history(records)[0].session_id == session(records).session_id


@pytest.mark.parametrize(
    ("payload", "answer", "start_s", "tag"),
    [
        ({"idTag": "OTHER"}, YES, 20, "APP1"),
        ({"idTag": "APP1", "connectorId": 2}, YES, 20, "APP1"),
        ({"idTag": "APP1"}, {"status": "Rejected"}, 20, "APP1"),
        ({"idTag": "APP1"}, YES, 400, "APP1"),
        ({"idTag": "APP1"}, YES, -100, "APP1"),
    ],
    ids=["other-token", "other-connector", "rejected", "too-late", "before"],
)
def test_16_session_that_came_of_something_else_does_not(
    records: Records, payload: dict[str, Any], answer: dict[str, Any], start_s: float, tag: str
) -> None:
    station = Speaker()
    station.command("RemoteStartTransaction", payload, 0, answer)
    station.start(start_s, tag=tag)
    record(records, station)
    assert session(records).command_id is None
    assert session(records).token_kind is None


def test_one_remote_start_leads_to_one_session(records: Records) -> None:
    station = Speaker()
    number = station.command("RemoteStartTransaction", {"idTag": "APP1"}, 0, YES)
    transaction = station.start(20, tag="APP1")
    station.start(20, tag="APP1")  # a retry
    station.stop(transaction, 1100, 60)
    station.start(90, meter=1100, tag="APP1")
    record(records, station)
    with records.read() as work:
        assert [s.command_id for s in work.sessions.page().items] == [None, number]


@pytest.mark.parametrize("protocol", V2)
@pytest.mark.parametrize("singly", [False, True])
def test_2x_session_of_a_remote_start_knows_it_by_its_number(
    records: Records, protocol: str, singly: bool
) -> None:
    station = Speaker(protocol=protocol)
    token = {"idToken": "APP1", "type": "Central"}
    for number in (6, 7):
        command = station.command(
            "RequestStartTransaction", {"remoteStartId": number, "idToken": token, "evseId": 1}, 0, YES
        )
    started_v2(station, 3000, remote=7)
    record(records, station, singly=singly)
    assert session(records).command_id == command
    assert history(records)[0].session_id == session(records).session_id


def test_2x_event_that_does_not_say_the_number_is_matched_by_token(records: Records) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    token = {"idToken": "APP1", "type": "Central"}
    command = station.command("RequestStartTransaction", {"remoteStartId": 7, "idToken": token}, 0, YES)
    started_v2(station, 20)
    record(records, station)
    assert session(records).command_id == command


def test_2x_number_of_nobody_leads_nowhere(records: Records) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    started_v2(station, 20, remote=9)
    record(records, station)
    assert session(records).command_id is None
