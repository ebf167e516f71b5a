"""Both sides of one connection, in and out of order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.tap.conversation import Conversation
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import NotObserved, Quarantined, TokenPresented, TransactionStarted, TransactionStopped

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
START = {"connectorId": 1, "idTag": "TAG1", "meterStart": 100, "timestamp": "2026-11-21T10:00:00Z"}


def call(unique_id: str, action: str, payload: dict[str, Any]) -> str:
    return json.dumps([2, unique_id, action, payload])


def conversation(protocol: str = "ocpp1.6") -> Conversation:
    return Conversation("SE-1", protocol)


def fact(entries: list[Entry]) -> Any:
    (entry,) = entries
    return entry.facts[0]


def test_a_start_waits_for_its_answer_and_takes_the_id_in_it() -> None:
    talk = conversation()
    said = call("1", "StartTransaction", START)
    assert talk.heard(said, NOW) == []
    answer = json.dumps([3, "1", {"transactionId": 77, "idTagInfo": {"status": "Accepted"}}])
    (entry,) = talk.told(answer, LATER)
    assert isinstance(entry.facts[0], TransactionStarted)
    assert entry.facts[0].transaction_id == "77"
    assert (entry.raw, entry.reply, entry.received_at) == (said, answer, NOW)
    assert talk.held_bytes == 0


def test_the_central_systems_word_on_a_token_counts() -> None:
    for status in ("Accepted", "Blocked", "ConcurrentTx"):
        talk = conversation()
        talk.heard(call("1", "Authorize", {"idTag": "TAG1"}), NOW)
        told = fact(talk.told(json.dumps([3, "1", {"idTagInfo": {"status": status}}]), LATER))
        assert isinstance(told, TokenPresented)
        assert (told.answer, told.accepted) == (status, status == "Accepted")


def test_a_start_that_is_refused_is_kept_but_starts_nothing() -> None:
    talk = conversation()
    talk.heard(call("1", "StartTransaction", START), NOW)
    refusal = json.dumps([4, "1", "InternalError", "", {}])
    (entry,) = talk.told(refusal, LATER)
    assert isinstance(entry.facts[0], Quarantined)
    assert len(entry.facts) == 1
    assert entry.reply == refusal


def test_a_stop_that_is_refused_still_says_what_it_says() -> None:
    talk = conversation()
    stop = {"transactionId": 77, "meterStop": 900, "timestamp": "2026-11-21T11:00:00Z"}
    talk.heard(call("1", "StopTransaction", stop), NOW)
    assert isinstance(fact(talk.told('[4,"1","InternalError","",{}]', LATER)), TransactionStopped)


def test_a_call_without_an_answer_is_written_down_late() -> None:
    talk = conversation()
    talk.heard(
        call("1", "StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"}), NOW
    )
    assert talk.overdue(NOW + timedelta(seconds=60)) == []
    (entry,) = talk.overdue(NOW + timedelta(seconds=121))
    assert (entry.reply, entry.received_at) == (None, NOW)
    assert talk.told('[3,"1",{}]', NOW + timedelta(seconds=122)) == []


def test_a_repetition_under_the_same_id_is_one_message() -> None:
    talk = conversation()
    said = call("1", "StartTransaction", START)
    assert talk.heard(said, NOW) == []
    assert talk.heard(said, LATER) == []
    assert len(talk.told('[3,"1",{"transactionId":5,"idTagInfo":{"status":"Accepted"}}]', LATER)) == 1
    assert talk.closed(LATER, "x")[0].kind is EntryKind.DISCONNECTED


def test_an_id_used_twice_for_different_messages_keeps_both() -> None:
    talk = conversation()
    talk.heard(call("1", "Heartbeat", {}), NOW)
    assert len(talk.heard(call("1", "Authorize", {"idTag": "TAG1"}), NOW)) == 1
    assert len(talk.told('[3,"1",{"idTagInfo":{"status":"Accepted"}}]', LATER)) == 1


def test_calls_that_are_never_answered_do_not_pile_up() -> None:
    talk = conversation()
    said = [entry for number in range(1000) for entry in talk.heard(call(str(number), "Heartbeat", {}), NOW)]
    assert len(said) == 1000 - 16
    assert talk.held_bytes < 1000


def test_the_end_of_the_connection_writes_down_what_waits() -> None:
    talk = conversation()
    talk.heard(call("1", "Heartbeat", {}), NOW)
    assert [entry.kind for entry in talk.closed(LATER, "1000")] == [EntryKind.OCPP_IN, EntryKind.DISCONNECTED]


def test_answers_to_calls_that_were_not_observed_say_nothing() -> None:
    assert conversation().told('[3,"9",{"transactionId":5}]', NOW) == []


def test_what_the_central_system_says_wrongly_is_set_aside() -> None:
    (entry,) = conversation().told("{", NOW)
    assert entry.kind is EntryKind.OCPP_OUT
    assert isinstance(entry.facts[0], Quarantined)
    assert "central system" in entry.facts[0].detail


def test_secrets_that_the_central_system_sends_are_hidden() -> None:
    said = call("1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "0123456789abcdef"})
    (entry,) = conversation().told(said, NOW)
    assert "AuthorizationKey" in entry.raw
    assert "0123456789abcdef" not in repr(entry)


def test_messages_without_an_answer_are_kept() -> None:
    talk = conversation("ocpp2.1")
    (entry,) = talk.told('[6,"1","NotifyPeriodicEventStream",{}]', NOW)
    assert entry.kind is EntryKind.OCPP_OUT
    (entry,) = talk.told('[5,"1","InternalError","",{}]', NOW)
    assert entry.kind is EntryKind.OCPP_OUT


def test_going_blind_is_said() -> None:
    (entry,) = conversation().blind(NOW, "an extension")
    assert entry.facts == (NotObserved(at=NOW, reason="an extension"),)


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.text() | st.binary() | st.sampled_from(['[2,"1","Heartbeat",{}]', '[3,"1",{}]'])
        )
    )
)
def test_whatever_is_said_is_read_and_nothing_stays_behind(said: list[tuple[bool, str | bytes]]) -> None:
    talk = conversation()
    for from_station, message in said:
        (talk.heard if from_station else talk.told)(message, NOW)
    talk.closed(NOW, "end")
    assert talk.held_bytes == 0
