"""Our calls to stations, without sockets: what may be sent, in which order, and what an answer says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.link import Link
from collector.ocpp import commands, schemas
from collector.ocpp.action import Policy
from collector.ocpp.commands import MAX_WAITING, Command, Outbox
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.entries import EntryKind
from laddvakt.domain.facts import CommandAnswered, CommandSent, NonConforming, RemoteStartAsked, VariableReported
from tests.support.smallest import smallest_request, smallest_response
from tests.support.stations import T0, at

VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")

# OCPP 1.6 section 5 and the security whitepaper section 5
OF_CENTRAL_SYSTEM_16 = {
    "CancelReservation",
    "CertificateSigned",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "ClearChargingProfile",
    "DataTransfer",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetCompositeSchedule",
    "GetConfiguration",
    "GetDiagnostics",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "InstallCertificate",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "ReserveNow",
    "Reset",
    "SendLocalList",
    "SetChargingProfile",
    "SignedUpdateFirmware",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateFirmware",
}

EVERY = [(version, action) for version in VERSIONS for action in sorted(commands.actions(version))]


def command(number: int = 1, action: str = "Reset", payload: dict[str, Any] | None = None) -> Command:
    return Command(f"c{number}", action, {"type": "Soft"} if payload is None else payload, "anna")


def link(protocol: str = "ocpp1.6") -> Link:
    return Link("SE-1", protocol, Policy())


# What may be sent


def test_commands_of_16_are_those_of_the_specification() -> None:
    assert commands.actions("ocpp1.6") == OF_CENTRAL_SYSTEM_16


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_station_sends_is_no_command(version: str) -> None:
    both = {"DataTransfer"}
    of_stations = schemas.actions(version) - commands.actions(version)
    assert {"Authorize", "BootNotification", "Heartbeat", "StatusNotification"} <= of_stations
    assert not both & of_stations
    assert commands.problems(version, "Heartbeat", {}) == (
        f"command: Heartbeat is not a command of {version}: only a station sends it",
    )


@pytest.mark.parametrize(("version", "action"), EVERY)
def test_every_command_goes_with_a_payload_of_its_schema(version: str, action: str) -> None:
    assert commands.problems(version, action, smallest_request(version, action)) == ()


@pytest.mark.parametrize(
    ("action", "payload", "problem"),
    [
        ("Reset", {}, 'payload: "type" is a required property'),
        ("Reset", {"type": "Warm"}, 'type: "Warm" is not one of "Hard" or "Soft"'),
        ("UnlockConnector", {"connectorId": "1"}, 'connectorId: "1" is not of type "integer"'),
        ("ClearCache", {"all": 1}, "payload: Additional properties are not allowed ('all' was unexpected)"),
        ("MakeCoffee", {}, "command: MakeCoffee is not a command of ocpp1.6: there is no such action"),
        ("RequestStartTransaction", {}, "command: RequestStartTransaction is not a command of ocpp1.6"),
    ],
)
def test_wrong_command_is_refused_by_its_field(action: str, payload: dict[str, Any], problem: str) -> None:
    (said,) = commands.problems("ocpp1.6", action, payload)
    assert said.startswith(problem)


def test_payload_that_json_cannot_carry_is_refused() -> None:
    (said,) = commands.problems("ocpp1.6", "DataTransfer", {"vendorId": "x", "data": "\ud800"})
    assert said.startswith("payload: ")


# One at a time


def test_second_command_waits_for_the_answer_to_the_first() -> None:
    outbox = Outbox()
    assert outbox.submit(command(1))
    assert outbox.submit(command(2))
    assert outbox.next() == command(1)
    assert outbox.next() is None
    assert outbox.answered("c1") == (command(1), False)
    assert outbox.next() == command(2)


def test_line_is_bounded() -> None:
    outbox = Outbox()
    for number in range(MAX_WAITING):
        assert outbox.submit(command(number))
    assert not outbox.submit(command(99))


def test_given_up_command_makes_way_and_its_answer_is_late() -> None:
    outbox = Outbox()
    outbox.submit(command(1))
    outbox.submit(command(2))
    outbox.next()
    assert outbox.give_up("c1") is CommandStatus.TIMEOUT
    assert outbox.next() == command(2)
    assert outbox.answered("c1") == (command(1), True)
    assert outbox.next() is None  # the second is still on its way


def test_command_given_up_in_line_was_not_sent() -> None:
    outbox = Outbox()
    outbox.submit(command(1))
    outbox.submit(command(2))
    outbox.next()
    assert outbox.give_up("c2") is CommandStatus.NOT_SENT
    outbox.answered("c1")
    assert outbox.next() is None
    assert outbox.give_up("c1") is None


def test_end_of_the_connection_ends_every_command() -> None:
    outbox = Outbox()
    for number in (1, 2):
        outbox.submit(command(number))
    outbox.next()
    assert outbox.close() == [(command(1), CommandStatus.LOST), (command(2), CommandStatus.NOT_SENT)]
    assert outbox.close() == []


@given(st.lists(st.tuples(st.sampled_from(["submit", "next", "answer", "give up"]), st.integers(0, 40))))
def test_at_most_one_is_outstanding_whatever_happens(steps: list[tuple[str, int]]) -> None:
    outbox = Outbox()
    on_its_way: str | None = None
    for step, number in steps:
        if step == "submit":
            outbox.submit(command(number))
        elif step == "next" and (sent := outbox.next()) is not None:
            assert on_its_way is None
            on_its_way = sent.command_id
        elif step == "answer":
            outbox.answered(f"c{number}")
            on_its_way = None if on_its_way == f"c{number}" else on_its_way
        elif step == "give up":
            outbox.give_up(f"c{number}")
            on_its_way = None if on_its_way == f"c{number}" else on_its_way


# What is logged


def test_call_is_logged_with_who_asked() -> None:
    entry = link().calling(command(), T0)
    assert entry.kind is EntryKind.OCPP_OUT
    assert json.loads(entry.raw) == [2, "c1", "Reset", {"type": "Soft"}]
    assert entry.facts == (
        CommandSent(at=T0, command_id="c1", action="Reset", actor="anna", request='{"type":"Soft"}'),
    )


@pytest.mark.parametrize(
    ("action", "payload", "secret"),
    [
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "s3cret"}, "s3cret"),
        ("ChangeConfiguration", {"key": "authorizationkey", "value": "s3cret"}, "s3cret"),
        ("GetDiagnostics", {"location": "ftp://user:s3cret@host/x"}, "s3cret"),
        (
            "SetVariables",
            {
                "setVariableData": [
                    {
                        "component": {"name": "SecurityCtrlr"},
                        "variable": {"name": "BasicAuthPassword"},
                        "attributeValue": "s3cret",
                    }
                ]
            },
            "s3cret",
        ),
        (
            "SetNetworkProfile",
            {"connectionData": {"apn": {"apnPassword": "s3cret"}, "vpn": {"key": "s3cret", "password": "s3cret"}}},
            "s3cret",
        ),
    ],
)
def test_secret_of_a_command_is_not_logged(action: str, payload: dict[str, Any], secret: str) -> None:
    entry = link().calling(command(1, action, payload), T0)
    assert secret not in str(entry)
    assert json.loads(entry.raw)[2] == action


def test_other_values_of_a_command_are_logged_as_sent() -> None:
    payload = {"key": "HeartbeatInterval", "value": "60"}
    assert json.loads(link().calling(command(1, "ChangeConfiguration", payload), T0).raw)[3] == payload


def test_secret_of_an_answer_is_not_logged_but_told() -> None:
    conversation, asked = link(), command(1, "GetConfiguration", {})
    conversation.outbox.submit(asked)
    conversation.outbox.next()
    item = {"key": "AuthorizationKey", "readonly": False, "value": "s3cret"}
    outcome = conversation.receive(json.dumps([3, "c1", {"configurationKey": [item]}]), T0)
    assert "s3cret" not in str(outcome.entry)
    assert outcome.result is not None
    assert outcome.result.answer == {"configurationKey": [item]}


@pytest.mark.parametrize("secret", ["s3cret-1", 'quo"te\\d', "lösen-ord"])
@pytest.mark.parametrize("as_ascii", [False, True])
def test_secret_that_an_error_repeats_is_not_logged(secret: str, as_ascii: bool) -> None:
    conversation = link()
    conversation.outbox.submit(command(1, "ChangeConfiguration", {"key": "AuthorizationKey", "value": secret}))
    conversation.outbox.next()
    error = [4, "c1", "PropertyConstraintViolation", f"{secret} is too short", {"value": secret}]
    outcome = conversation.receive(json.dumps(error, ensure_ascii=as_ascii), T0)
    assert secret not in str(outcome.entry)
    assert json.loads(outcome.entry.raw)[3] == "•••• is too short"
    assert outcome.result is not None
    assert outcome.result.error is not None
    assert outcome.result.error.description == f"{secret} is too short"


def test_answer_to_no_command_keeps_no_secret_either() -> None:
    item = {"key": "AuthorizationKey", "readonly": False, "value": "s3cret"}
    outcome = link().receive(json.dumps([3, "c1", {"configurationKey": [item]}]), T0)
    assert "s3cret" not in str(outcome.entry)


def test_drivers_token_is_masked_for_people() -> None:
    entry = link().calling(command(1, "RemoteStartTransaction", {"idTag": "ABCDEF99"}), T0)
    sent, asked = entry.facts
    assert isinstance(sent, CommandSent)
    assert sent.request == '{"idTag":"••••99"}'
    assert asked == RemoteStartAsked(at=T0, command_id="c1", id_tag="ABCDEF99")


def test_remote_start_of_2x_says_its_number_and_evse() -> None:
    payload = {"evseId": 2, "remoteStartId": 7, "idToken": {"idToken": "APP1", "type": "Central"}}
    entry = link("ocpp2.0.1").calling(command(1, "RequestStartTransaction", payload), T0)
    assert entry.facts[1] == RemoteStartAsked(
        at=T0, command_id="c1", id_tag="APP1", connector_id=2, remote_start_id=7
    )


# What an answer says


def answered(frame: list[Any], *, action: str = "Reset", give_up: bool = False) -> Any:
    conversation = link()
    conversation.outbox.submit(command(1, action))
    conversation.outbox.next()
    if give_up:
        conversation.outbox.give_up("c1")
    return conversation.receive(json.dumps(frame), at(2))


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Accepted", CommandStatus.ACCEPTED),
        ("Rejected", CommandStatus.REJECTED),
        ("Scheduled", CommandStatus.ACCEPTED),
        ("NotSupported", CommandStatus.REJECTED),
        ("RebootRequired", CommandStatus.ACCEPTED),
    ],
)
def test_word_of_an_answer_decides(word: str, status: CommandStatus) -> None:
    outcome = answered([3, "c1", {"status": word}])
    assert outcome.result.status is status
    assert outcome.result.answer == {"status": word}
    assert outcome.entry.kind is EntryKind.OCPP_IN
    fact = outcome.entry.facts[0]
    assert (fact.command_id, fact.action, fact.actor, fact.status) == ("c1", "Reset", "anna", status)


def test_one_refused_item_makes_an_answer_in_items_a_no() -> None:
    items = [{"attributeStatus": "Accepted"}, {"attributeStatus": "Rejected"}]
    assert answered([3, "c1", {"setVariableResult": items}]).result.status is CommandStatus.REJECTED
    assert answered([3, "c1", {"setVariableResult": items[:1]}]).result.status is CommandStatus.ACCEPTED


def test_call_error_is_given_back_as_it_is() -> None:
    outcome = answered([4, "c1", "NotImplemented", "no such thing", {"a": 1}])
    assert outcome.result.status is CommandStatus.CALLERROR
    assert outcome.result.error.code == "NotImplemented"
    assert outcome.result.error.details == {"a": 1}
    assert outcome.entry.facts[0].said == "NotImplemented: no such thing"


def test_answer_that_its_schema_refuses_is_used_and_flagged() -> None:
    outcome = answered([3, "c1", {"status": "Maybe"}])
    assert outcome.result.answer == {"status": "Maybe"}
    assert any(isinstance(fact, NonConforming) and "status" in fact.detail for fact in outcome.entry.facts)


def test_late_answer_is_logged_as_late_and_told_nobody() -> None:
    outcome = answered([3, "c1", {"status": "Accepted"}], give_up=True)
    assert outcome.result is None
    assert isinstance(outcome.entry.facts[0], CommandAnswered)
    assert outcome.entry.facts[0].late


def test_answer_that_the_log_cannot_take_is_told_all_the_same() -> None:
    conversation = link()
    conversation.outbox.submit(command())
    conversation.outbox.next()
    outcome = conversation.receive('[3,"c1",{"status":"Accepted"}]', T0)
    assert conversation.unloggable(outcome, "too large").result == outcome.result is not None


def test_answer_twice_is_flagged() -> None:
    conversation = link()
    conversation.outbox.submit(command())
    conversation.outbox.next()
    conversation.receive('[3,"c1",{"status":"Accepted"}]', T0)
    outcome = conversation.receive('[3,"c1",{"status":"Accepted"}]', T0)
    assert outcome.result is None
    assert isinstance(outcome.entry.facts[0], NonConforming)


def test_deeply_nested_answer_does_no_harm() -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300
    conversation = link()
    conversation.outbox.submit(command())
    conversation.outbox.next()
    assert conversation.receive(f'[3,"c1",{deep}]', T0).result is not None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({}, "OccurrenceConstraintViolation"),
        ({"status": 5}, "TypeConstraintViolation"),
        ({"status": "Accepted", "invented": 1}, None),  # plain all the same
        ({"status": "Perhaps"}, None),
        ({"status": "Accepted"}, None),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_answer_that_cannot_be_used_is_told_so_on_21_alone(
    version: str, answer: dict[str, Any], code: str | None
) -> None:
    conversation = link(version)
    conversation.outbox.submit(command(1, "Reset", {"type": "Soft" if version == "ocpp1.6" else "Immediate"}))
    conversation.outbox.next()
    outcome = conversation.receive(json.dumps([3, "c1", answer]), T0)
    assert outcome.result is not None
    assert outcome.entry.reply == outcome.reply
    if version != "ocpp2.1" or code is None:
        assert outcome.reply is None
    else:
        assert json.loads(outcome.reply or "")[:3] == [5, "c1", code]


@pytest.mark.parametrize(("version", "action"), EVERY)
def test_smallest_answer_to_every_command_is_read_without_a_flag(version: str, action: str) -> None:
    conversation = link(version)
    conversation.outbox.submit(command(1, action, smallest_request(version, action)))
    conversation.outbox.next()
    outcome = conversation.receive(json.dumps([3, "c1", smallest_response(version, action)]), T0)
    answered, *settings = outcome.entry.facts
    assert isinstance(answered, CommandAnswered)
    assert {type(fact) for fact in settings} <= {VariableReported}
