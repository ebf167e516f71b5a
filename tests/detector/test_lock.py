"""lock: a plug lock that fails again; a plug under tension once is none."""

from __future__ import annotations

import json

import pytest

from detector.rules import RULES, lock
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.facts import CommandAnswered, CommandSent, EventReported, TokenPresented
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

S = ConnectorState
HOUR = 3600


@pytest.fixture
def story() -> Story:
    story = Story(make_engine(rules=(lock.RULE,)))
    story.connect()
    story.status(S.AVAILABLE)
    story.wait(HOUR)
    return story


def _fails(story: Story, card: str, code: str = "ConnectorLockFailure") -> None:
    story.status(S.PREPARING)
    story.say(TokenPresented(at=story.now, id_tag=card, accepted=True, answer="Accepted"))
    story.wait(5)
    mrec = (code,) if code.startswith("CX") else ()
    story.status(S.FAULTED, "OtherError" if mrec else code, mrec=mrec)
    story.wait(40)
    story.status(S.PREPARING)
    story.wait(20)
    story.status(S.AVAILABLE)


def _charges(story: Story, transaction: str, card: str) -> None:
    story.status(S.PREPARING)
    story.start(transaction, card)
    story.status(S.CHARGING)
    story.wait(HOUR)
    story.stop(transaction, meter_wh=9000)
    story.status(S.AVAILABLE)


def _unlock(
    story: Story, number: str, request: dict[str, int], status: str = "UnlockFailed", *, answered: bool = True
) -> None:
    sent = CommandSent(at=story.now, command_id=number, action="UnlockConnector", request=json.dumps(request))
    story.say(sent)
    if answered:
        said = json.dumps({"status": status})
        story.say(
            CommandAnswered(
                at=story.now,
                command_id=number,
                action="UnlockConnector",
                status=CommandStatus.REJECTED,
                said=said,
            )
        )


@pytest.mark.parametrize("code", ["ConnectorLockFailure", "CX001", "CX025"])
def test_two_drivers_whose_plug_is_not_locked_fire(story: Story, code: str) -> None:
    _fails(story, "A", code)
    assert story.standing == []
    story.wait(HOUR)
    _fails(story, "B", code)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.mrec) == ("lock", Severity.P2, ("CX001", "CX025"))
    assert (finding.asset.kind, finding.asset.id) == ("connector", "SE-1/1")


def test_the_fixed_cable_is_named_where_there_is_one(story: Story) -> None:
    station = Station(station_id="SE-1", connectors=(Connector(connector_id=1, cable_id="CAB-7"),))
    story.engine.register([station])
    for card in "AB":
        _fails(story, card)
        story.wait(HOUR)
    assert (story.standing[0].asset.kind, story.standing[0].asset.id) == ("cable", "CAB-7")


def test_the_component_of_an_event_names_it(story: Story) -> None:
    for _ in range(2):
        for value in ("true", "false"):
            story.say(
                EventReported(
                    at=story.now,
                    component="ConnectorPlugRetentionLock",
                    variable="Problem",
                    connector_id=1,
                    value=value,
                )
            )
            story.wait(HOUR)
    assert len(story.standing) == 1


def test_good_sessions_between_acquit_nothing_and_two_after_it_clear(story: Story) -> None:
    _fails(story, "A")
    for number in range(3):
        _charges(story, f"1{number}", f"GOOD{number}")
    _fails(story, "B")
    assert len(story.standing) == 1
    _charges(story, "20", "C")
    assert len(story.standing) == 1
    _charges(story, "21", "D")
    assert story.standing == []


def test_a_day_without_failures_clears(story: Story) -> None:
    for card in "AB":
        _fails(story, card)
        story.wait(HOUR)
    story.wait(24 * HOUR)
    assert story.standing == []


def test_unlocking_that_fails_twice_fires(story: Story) -> None:
    _unlock(story, "1", {"connectorId": 1})
    story.wait(2 * HOUR)
    _unlock(story, "2", {"connectorId": 1})
    (finding,) = story.standing
    assert "UnlockFailed" in " ".join(item.value for item in finding.evidence)


def test_the_evse_of_2x_is_the_connector(story: Story) -> None:
    story.status(S.AVAILABLE, connector_id=2)
    for number in "12":
        _unlock(story, number, {"evseId": 2, "connectorId": 1})
        story.wait(2 * HOUR)
    assert [finding.connector_id for finding in story.standing] == [2]


def test_a_cable_under_tension_once_never_fires(story: Story) -> None:
    for _ in range(4):
        _fails(story, "A")  # the same driver again and again
        story.wait(240)
    _unlock(story, "1", {"connectorId": 1})
    story.wait(48 * HOUR)
    assert story.kinds() == []


@pytest.mark.parametrize("status", ["Unlocked", "NotSupported", "OngoingAuthorizedTransaction"])
def test_other_answers_to_unlocking_never_fire(story: Story, status: str) -> None:
    for number in range(4):
        _unlock(story, str(number), {"connectorId": 1}, status)
        story.wait(2 * HOUR)
    assert story.kinds() == []


def test_unlocking_that_is_not_answered_never_fires(story: Story) -> None:
    for number in range(8):
        _unlock(story, str(number), {"connectorId": 1}, answered=False)
        story.wait(HOUR)
    assert story.kinds() == []


def test_the_report_as_such_is_put_under_it() -> None:
    story = Story(make_engine(rules=RULES))
    story.connect()
    story.status(S.AVAILABLE)
    for card in "AB":
        story.status(S.PREPARING)
        story.say(TokenPresented(at=story.now, id_tag=card, accepted=True, answer="Accepted"))
        story.status(S.FAULTED, "ConnectorLockFailure")
        story.wait(120)
        if card == "A":
            story.status(S.AVAILABLE)
            story.wait(2 * HOUR)
    assert [finding.fault for finding in story.standing] == ["lock"]
