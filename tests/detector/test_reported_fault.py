"""reported_fault: fires for what a station reports, and not for its look-alikes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from detector.changes import ChangeKind
from detector.rules import reported_fault
from laddvakt.domain.facts import EventReported
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Asset, Severity
from tests.support.detector import START, Story, make_engine


@pytest.fixture
def story() -> Story:
    told = Story(make_engine(rules=(reported_fault.RULE,)))
    told.connect()
    told.status(ConnectorState.AVAILABLE)
    return told


def test_faulted_fires_after_a_minute_and_not_before(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(59)
    assert story.standing == []
    story.wait(1)
    (finding,) = story.standing
    assert finding.fault == "reported_fault"
    assert finding.asset == Asset(kind="station", id="SE-1")
    assert finding.severity is Severity.P2
    assert finding.since == START
    assert finding.at == START + timedelta(seconds=60)
    assert "InternalError" in finding.explanation
    assert {item.label: item.value for item in finding.evidence}["Status"] == "Faulted"


def test_faulted_without_any_code_fires(story: Story) -> None:
    story.status(ConnectorState.FAULTED)
    story.wait(60)
    assert [finding.severity for finding in story.standing] == [Severity.P2]


def test_safety_code_fires_at_once(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "GroundFailure")
    assert [(f.severity, f.mrec) for f in story.standing] == [(Severity.P1, ("CX002",))]


@pytest.mark.parametrize(
    ("error", "mrec"), [("GroundFailure", ()), ("OtherError", ("CX011",)), ("OtherError", ("CX022",))]
)
def test_a_protection_that_one_vehicle_opens_and_that_closes_again_is_none(
    story: Story, error: str, mrec: tuple[str, ...]
) -> None:
    story.status(ConnectorState.CHARGING)
    story.start("T1")
    story.status(ConnectorState.FAULTED, error, mrec=mrec)
    story.stop("T1", reason="Other")
    story.wait(290)
    story.status(ConnectorState.AVAILABLE)
    story.wait(3600)
    assert story.kinds() == []


@pytest.mark.parametrize("mrec", ["CX011", "CX022"])
def test_a_check_that_fails_before_the_session_and_is_over_is_none(story: Story, mrec: str) -> None:
    story.status(ConnectorState.PREPARING)
    story.status(ConnectorState.FAULTED, "OtherError", mrec=(mrec,))
    story.wait(120)
    story.status(ConnectorState.AVAILABLE)
    story.wait(3600)
    assert story.kinds() == []


def test_residual_current_before_the_session_is_told_at_once(story: Story) -> None:
    story.status(ConnectorState.PREPARING)
    story.status(ConnectorState.FAULTED, "GroundFailure")
    assert [f.severity for f in story.standing] == [Severity.P1]


def test_a_protection_that_stays_open_is_told_after_five_minutes(story: Story) -> None:
    story.start("T1")
    story.status(ConnectorState.FAULTED, "GroundFailure")
    story.stop("T1", reason="Other")
    story.wait(299)
    assert story.standing == []
    story.wait(1)
    assert [(f.severity, f.mrec) for f in story.standing] == [(Severity.P1, ("CX002",))]


def test_whoever_wants_each_trip_told_gets_it_at_once() -> None:
    story = Story(make_engine(rules=(reported_fault.RULE,), thresholds={"reported_fault": {"close_within_s": 0}}))
    story.connect()
    story.start("T1")
    story.status(ConnectorState.FAULTED, "GroundFailure")
    assert [f.severity for f in story.standing] == [Severity.P1]


def test_a_protection_that_opens_after_the_session_is_told_at_once(story: Story) -> None:
    story.start("T1")
    story.stop("T1")
    story.status(ConnectorState.FAULTED, "GroundFailure")
    assert [f.severity for f in story.standing] == [Severity.P1]


@pytest.mark.parametrize(("error", "mrec"), [("OverCurrentFailure", ()), ("OtherError", ("CX008",))])
def test_other_dangers_are_told_at_once_whoever_charges(story: Story, error: str, mrec: tuple[str, ...]) -> None:
    story.start("T1")
    story.status(ConnectorState.FAULTED, error, mrec=mrec)
    assert [f.severity for f in story.standing] == [Severity.P1]


def test_a_fault_that_goes_within_the_minute_is_none(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(50)
    story.status(ConnectorState.AVAILABLE)
    story.wait(600)
    assert story.kinds() == []


def test_the_report_need_not_be_repeated_but_may(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(30)
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(30)
    assert story.kinds() == [ChangeKind.RAISED]


def test_clears_a_minute_after_the_report_is_gone(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(60)
    story.status(ConnectorState.AVAILABLE)
    story.wait(59)
    assert story.kinds() == [ChangeKind.RAISED]
    story.wait(1)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]
    assert story.changes[-1].reason == "nothing_reported"


def test_a_report_that_flickers_is_one_finding(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(60)
    for _ in range(10):
        story.status(ConnectorState.AVAILABLE)
        story.wait(20)
        story.status(ConnectorState.FAULTED, "InternalError")
        story.wait(20)
    assert story.kinds() == [ChangeKind.RAISED]


def test_communication_error_alone_never_fires(story: Story) -> None:
    story.status(ConnectorState.SUSPENDED_EV, "EVCommunicationError")
    story.wait(7200)
    assert story.kinds() == []


def test_a_connector_faulted_by_the_vehicle_is_given_time_to_be_left_alone(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "EVCommunicationError")
    story.wait(600)
    assert story.standing == []
    story.wait(300)
    assert [finding.confidence for finding in story.standing] == [0.6]


def test_finishing_with_an_error_that_clears_never_fires(story: Story) -> None:
    story.status(ConnectorState.FINISHING, "InternalError")
    story.wait(300)
    story.status(ConnectorState.AVAILABLE)
    story.wait(600)
    assert story.kinds() == []


def test_an_error_that_survives_finishing_fires(story: Story) -> None:
    story.status(ConnectorState.FINISHING, "InternalError")
    story.wait(300)
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(1)
    assert len(story.standing) == 1


def test_available_with_an_error_code_is_degraded_not_down(story: Story) -> None:
    story.status(ConnectorState.AVAILABLE, "ReaderFailure")
    story.wait(60)
    assert [finding.severity for finding in story.standing] == [Severity.P3]


def test_a_cable_code_leans_to_the_cable_by_its_asset_id() -> None:
    station = Station(station_id="SE-1", connectors=(Connector(connector_id=1, cable_id="CAB-7"),))
    story = Story(make_engine([station]))
    story.status(ConnectorState.FAULTED, "ConnectorLockFailure")
    story.wait(60)
    assert [finding.asset for finding in story.standing] == [Asset(kind="cable", id="CAB-7")]


def test_without_a_named_cable_it_is_the_connector(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "ConnectorLockFailure", connector_id=2)
    story.wait(60)
    assert [finding.asset for finding in story.standing] == [Asset(kind="connector", id="SE-1/2")]


def test_a_chargex_code_says_more_than_the_code_that_carries_it(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "OtherError", mrec=("CX026",), info="cut")
    (finding,) = story.standing
    assert finding.asset.kind == "connector"
    assert finding.severity is Severity.P1
    assert finding.mrec == ("CX026",)
    assert "cut" in finding.explanation


def test_an_unknown_code_counts_as_other_error(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "Error", vendor_error_code="E-17")
    story.wait(60)
    (finding,) = story.standing
    assert "E-17" in finding.explanation


def test_history_out_of_a_queue_raises_nothing(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "GroundFailure", at=START + timedelta(seconds=1) - timedelta(hours=2))
    story.wait(600)
    fresh = Story()
    fresh.status(ConnectorState.FAULTED, "GroundFailure", at=START - timedelta(hours=2))
    fresh.wait(600)
    assert story.kinds() == fresh.kinds() == []


def test_a_station_whose_clock_is_behind_is_believed_once_its_clock_is_known(story: Story) -> None:
    behind = timedelta(hours=2)
    for _ in range(7):
        story.measure(at=story.now - behind, power_w=1.0)
        story.wait(60)
    story.status(ConnectorState.FAULTED, "GroundFailure", at=story.now - behind)
    assert len(story.standing) == 1


def test_after_a_gap_the_last_word_holds_until_the_station_speaks(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(60)
    story.disconnect()
    story.wait(120)
    story.connect()
    story.wait(120)
    assert story.kinds() == [ChangeKind.RAISED]
    story.status(ConnectorState.AVAILABLE)
    story.wait(60)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_another_code_words_the_finding_anew_and_worse_news_counts(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(60)
    story.status(ConnectorState.FAULTED, "GroundFailure")
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.STILL]
    assert [finding.severity for finding in story.standing] == [Severity.P1]


def test_another_asset_clears_the_first_finding(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(60)
    story.status(ConnectorState.FAULTED, "ConnectorLockFailure")
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED, ChangeKind.RAISED]
    assert [finding.asset.kind for finding in story.standing] == ["connector"]


def test_two_connectors_hold_one_station_finding_up(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "InternalError", connector_id=1)
    story.status(ConnectorState.FAULTED, "InternalError", connector_id=2)
    story.wait(60)
    story.status(ConnectorState.AVAILABLE, connector_id=1)
    story.wait(120)
    assert ChangeKind.CLEARED not in story.kinds()
    story.status(ConnectorState.AVAILABLE, connector_id=2)
    story.wait(120)
    assert story.kinds()[-1] is ChangeKind.CLEARED


def test_persistence_is_a_setting() -> None:
    story = Story(make_engine(thresholds={"reported_fault": {"persist_s": 5}}))
    story.status(ConnectorState.FAULTED, "InternalError")
    story.wait(5)
    assert len(story.standing) == 1


def event(story: Story, code: str = "", *, variable: str = "Problem", value: str = "true", **more: Any) -> None:
    mrec = (code,) if code else ()
    given = {"connector_id": 1, "evse_id": 1, "trigger": "Alerting", **more}
    story.say(
        EventReported(at=story.now, component="Connector", variable=variable, value=value, mrec=mrec, **given)
    )


def test_code_of_an_event_fires_until_it_is_cleared(story: Story) -> None:
    event(story, "CX018")
    story.wait(60)
    (finding,) = story.standing
    assert finding.mrec == ("CX018",)
    assert "Connector/Problem" in finding.explanation
    event(story, "CX018", value="false", cleared=True)
    story.wait(60)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_event_names_the_fault_of_a_status_without_a_code(story: Story) -> None:
    story.status(ConnectorState.FAULTED)
    event(story, "CX002")
    story.wait(60)
    assert [(f.severity, f.mrec) for f in story.standing] == [(Severity.P1, ("CX002",))]


def test_problem_of_the_whole_station_fires(story: Story) -> None:
    event(story, connector_id=0, evse_id=None)
    story.wait(60)
    (finding,) = story.standing
    assert (finding.connector_id, finding.asset.id) == (0, "SE-1")
    assert "OtherError" in finding.explanation


@pytest.mark.parametrize(
    ("variable", "value"), [("Problem", "false"), ("Temperature", "71"), ("AvailabilityState", "Occupied")]
)
def test_event_that_names_no_fault_is_none(story: Story, variable: str, value: str) -> None:
    event(story, variable=variable, value=value)
    story.wait(600)
    assert story.kinds() == []


def test_boot_forgets_problems_that_are_not_said_again(story: Story) -> None:
    event(story, "CX018")
    story.wait(60)
    story.boot()
    story.status(ConnectorState.AVAILABLE)
    story.wait(60)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_events_without_end_are_bounded(story: Story) -> None:
    for number in range(100):
        event(story, "CX018", variable=f"Problem{number}")
    view = story.engine.view("SE-1")
    assert view is not None
    assert len(view.connectors[1].problems) == 8


def test_a_code_that_is_cleared_a_moment_before_the_status_raises_nothing_new() -> None:
    story = Story()
    story.connect()
    event = EventReported(at=story.now, component="Connector", variable="Problem", connector_id=1, value="true")
    story.say(replace(event, mrec=("CX014",)))
    story.status(ConnectorState.FAULTED)
    story.wait(70)
    (before,) = story.standing
    story.say(replace(event, at=story.now, value="false", cleared=True))
    assert story.standing == [before]
    story.wait(1)
    story.status(ConnectorState.AVAILABLE)
    story.wait(60)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_faulted_that_stays_without_its_code_is_told_anew() -> None:
    story = Story()
    story.connect()
    event = EventReported(at=story.now, component="Connector", variable="Problem", connector_id=1, value="true")
    story.say(replace(event, mrec=("CX014",)))
    story.status(ConnectorState.FAULTED)
    story.wait(70)
    story.say(replace(event, at=story.now, value="false", cleared=True))
    story.wait(60)
    assert "NoError" in story.standing[0].explanation


def test_a_word_that_is_no_code_and_says_nothing_more_is_not_a_fault() -> None:
    story = Story()
    story.connect()
    story.status(ConnectorState.CHARGING, "Error")
    story.wait(600)
    assert story.kinds() == []
    story.status(ConnectorState.FAULTED, "Error")
    story.wait(60)
    assert len(story.standing) == 1


def test_the_finding_says_what_else_it_may_lie_in(story: Story) -> None:
    story.status(ConnectorState.FAULTED, "EVCommunicationError")
    story.wait(1000)
    (finding,) = story.standing
    assert finding.suspects[0].asset.kind == "vehicle"
    assert any("points at the vehicle" in why for why in finding.suspects[0].why)
    story.status(ConnectorState.AVAILABLE)
    story.wait(100)
    story.status(ConnectorState.FAULTED, "PowerSwitchFailure")
    story.wait(100)
    (finding,) = story.standing
    assert finding.suspects[0].asset == finding.asset
    assert finding.confidence >= 0.95
