"""Errors that come again with other vehicles: rcd_trip, pilot_proximity, isolation."""

from __future__ import annotations

import msgspec
import pytest

from detector.changes import ChangeKind
from detector.rules import RULES
from laddvakt.domain.facts import EventReported, TokenPresented
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

CASES = [("rcd_trip", "CX002", 2), ("isolation", "CX011", 2), ("pilot_proximity", "CX014", 3)]


def _story(code: str) -> Story:
    story = Story(make_engine(rules=tuple(rule for rule in RULES if rule.code == code)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    return story


def _trip(story: Story, number: int, card: str, code: str, open_s: float = 30) -> None:
    story.status(ConnectorState.PREPARING)
    story.start(str(number), card)
    story.status(ConnectorState.CHARGING)
    story.wait(120)
    story.status(ConnectorState.FAULTED, "OtherError", mrec=(code,))
    story.stop(str(number))
    story.wait(open_s)
    story.status(ConnectorState.AVAILABLE)
    story.wait(600)


def _charge(story: Story, number: int, card: str) -> None:
    story.start(str(number), card)
    story.status(ConnectorState.CHARGING)
    story.wait(1800)
    story.stop(str(number), meter_wh=5000)
    story.status(ConnectorState.AVAILABLE)


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_enough_reports_with_two_vehicles_fire(rule: str, code: str, times: int) -> None:
    story = _story(rule)
    for number in range(times - 1):
        _trip(story, number, f"CARD{number % 2}", code)
    assert story.standing == []
    _trip(story, times, f"CARD{(times - 1) % 2}", code)
    (finding,) = story.standing
    assert finding.fault == rule
    assert code in finding.mrec
    assert sum(suspect.share for suspect in finding.suspects) == pytest.approx(1, abs=0.01)
    assert finding.asset in [suspect.asset for suspect in finding.suspects]


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_one_vehicle_is_evidence_about_the_vehicle(rule: str, code: str, times: int) -> None:
    story = _story(rule)
    for number in range(times + 2):
        _trip(story, number, "CARD", code)
    assert story.kinds() == []


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_a_vehicle_that_nobody_knows_may_be_the_one_that_is_known(rule: str, code: str, times: int) -> None:
    """The second time it fails before a card is shown."""
    story = _story(rule)
    for number in range(times):
        _trip(story, number, "CARD", code)
    story.wait(3600)
    story.status(ConnectorState.PREPARING)
    story.wait(60)
    story.status(ConnectorState.FAULTED, "OtherError", mrec=(code,))
    story.wait(30)
    story.status(ConnectorState.AVAILABLE)
    assert story.kinds() == []


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_who_left_a_moment_ago_is_not_who_came_since(rule: str, code: str, times: int) -> None:
    """Others charge well, and soon after each the same driver comes, whose checks fail before the session."""
    story = _story(rule)
    for number in range(times):
        story.wait(600)
        story.start(f"other{number}", f"OTHER{number}")
        story.wait(60)
        story.stop(f"other{number}", meter_wh=50)
        story.status(ConnectorState.AVAILABLE)
        story.wait(60)
        story.status(ConnectorState.PREPARING)
        story.say(TokenPresented(at=story.now, id_tag="BAD", accepted=True, answer="Accepted"))
        story.status(ConnectorState.FAULTED, "OtherError", mrec=(code,))
        story.wait(60)
        story.status(ConnectorState.AVAILABLE)
    assert story.kinds() == []


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_transactions_without_a_card_in_which_nothing_flows_are_nobody_known(
    rule: str, code: str, times: int
) -> None:
    """OCPP 2.x: a transaction may begin with the plug, before anybody has shown a card."""
    story = _story(rule)
    for number in range(times):
        story.wait(600)
        story.status(ConnectorState.PREPARING)
        story.start(f"{number}", None)
        story.status(ConnectorState.FAULTED, "OtherError", mrec=(code,))
        story.stop(f"{number}")
        story.wait(60)
        story.status(ConnectorState.AVAILABLE)
    assert story.kinds() == []


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_clears_when_two_vehicles_charge(rule: str, code: str, times: int) -> None:
    story = _story(rule)
    for number in range(times):
        _trip(story, number, f"CARD{number % 2}", code)
    _charge(story, 10, "X")
    assert ChangeKind.CLEARED not in story.kinds()
    _charge(story, 11, "Y")
    assert [kind for kind in story.kinds() if kind is not ChangeKind.STILL][-1] is ChangeKind.CLEARED
    assert story.standing == []


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_clears_a_day_later_without_any_session(rule: str, code: str, times: int) -> None:
    story = _story(rule)
    for number in range(times):
        _trip(story, number, f"CARD{number % 2}", code)
    story.wait(90_000)
    assert story.standing == []


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_a_report_that_is_repeated_counts_once(rule: str, code: str, times: int) -> None:
    story = _story(rule)
    for _ in range(times + 2):
        story.status(ConnectorState.FAULTED, "OtherError", mrec=(code,))
        story.wait(60)
    assert story.kinds() == []


def test_trips_with_nothing_plugged_in_need_no_vehicles() -> None:
    story = _story("rcd_trip")
    for _ in range(2):
        story.status(ConnectorState.FAULTED, "GroundFailure")
        story.wait(60)
        story.status(ConnectorState.AVAILABLE)
        story.wait(600)
    (finding,) = story.standing
    assert finding.severity is Severity.P1
    assert "nothing plugged in" in finding.explanation
    assert finding.confidence > 0.9


def test_the_component_of_an_event_names_the_fault() -> None:
    story = _story("rcd_trip")
    for _ in range(2):
        for value in ("true", "false"):
            story.say(
                EventReported(at=story.now, component="RCD", variable="Tripped", connector_id=1, value=value)
            )
            story.wait(60)
    assert [finding.fault for finding in story.standing] == ["rcd_trip"]


@pytest.mark.parametrize(("rule", "code", "times"), CASES)
def test_an_event_with_somebody_plugged_in_is_not_the_equipment_alone(rule: str, code: str, times: int) -> None:
    """The cable check fails for a vehicle that has just come: the event is told before the status is Faulted."""
    story = _story(rule)
    for number in range(times + 1):
        story.wait(900)
        story.status(ConnectorState.PREPARING)
        told = EventReported(at=story.now, component="Connector", variable="Problem", connector_id=1, mrec=(code,))
        story.say(msgspec.structs.replace(told, event_id=number, value="true"))
        story.status(ConnectorState.FAULTED)
        story.wait(60)
        story.say(msgspec.structs.replace(told, event_id=number, value="false", cleared=True))
        story.status(ConnectorState.AVAILABLE)
    assert "nothing plugged in" not in " ".join(finding.explanation for finding in story.standing)


def test_the_report_as_such_is_put_under_the_repeated_one() -> None:
    story = Story()
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    _trip(story, 1, "A", "CX002", open_s=600)
    raised = [c.finding.fault for c in story.changes if c.kind is ChangeKind.RAISED and c.finding]
    assert raised == ["reported_fault"]
    _trip(story, 2, "B", "CX002")
    raised = [c.finding.fault for c in story.changes if c.kind is ChangeKind.RAISED and c.finding]
    assert raised == ["reported_fault", "rcd_trip"]
    assert [finding.fault for finding in story.standing] == ["rcd_trip"]


def test_another_code_than_the_repeated_one_is_reported_beside_it() -> None:
    story = Story()
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    _trip(story, 1, "A", "CX002")
    _trip(story, 2, "B", "CX002")
    story.status(ConnectorState.FAULTED, "OverCurrentFailure")
    assert {finding.fault for finding in story.standing} == {"rcd_trip", "reported_fault"}
