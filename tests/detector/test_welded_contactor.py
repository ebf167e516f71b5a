"""welded_contactor: current at a connector without a session."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.changes import ChangeKind
from detector.rules import RULES, welded_contactor
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine


@pytest.fixture
def story() -> Story:
    """A station that has had a session, and whose link is old."""
    story = Story(make_engine(rules=(welded_contactor.RULE,)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    story.wait(600)
    _session(story, "1")
    return story


def _session(story: Story, transaction: str) -> None:
    story.status(ConnectorState.PREPARING)
    story.start(transaction)
    story.status(ConnectorState.CHARGING)
    for _ in range(3):
        story.wait(60)
        story.measure(transaction=transaction, power_w=7000)
    story.stop(transaction, meter_wh=5000)
    story.status(ConnectorState.FINISHING)
    story.wait(20)


def _flow(story: Story, *, source: str = "mqtt", samples: int = 3, every_s: float = 60, **values: float) -> None:
    for _ in range(samples):
        story.wait(every_s)
        story.measure(source=source, **(values or {"power_w": 6900.0}))


@pytest.mark.parametrize("source", ["mqtt", "ocpp"])
def test_current_after_the_session_fires(story: Story, source: str) -> None:
    _flow(story, source=source)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("welded_contactor", Severity.P1, "station")
    assert (finding.connector_id, finding.mrec) == (1, ("CX017", "CX024"))
    assert [(item.label, item.value) for item in finding.evidence[:3]] == [
        ("Power outside any session", "6900 W"),
        ("For", "60 s"),
        ("Status", "Finishing"),
    ]


def test_fires_after_a_minute_at_one_sample_a_second(story: Story) -> None:
    _flow(story, samples=57, every_s=1)
    assert story.standing == []
    _flow(story, samples=4, every_s=1)
    assert len(story.standing) == 1


def test_current_alone_is_enough(story: Story) -> None:
    _flow(story, source="ocpp", current_l1_a=15.8, voltage_l1_v=231.0)
    assert len(story.standing) == 1


@pytest.mark.parametrize(
    "values",
    [{"power_w": 80.0}, {"power_w": 60.0, "current_l1_a": 0.7}, {"current_l1_a": 0.4}, {"energy_wh": 1e6}],
    ids=["electronics", "reactive", "offset", "register"],
)
def test_little_is_the_stations_own(story: Story, values: dict[str, float]) -> None:
    _flow(story, samples=10, **values)
    assert story.kinds() == []


def test_own_consumption_with_nothing_plugged_in_is_learnt(story: Story) -> None:
    story.status(ConnectorState.AVAILABLE)
    _flow(story, power_w=320.0)
    _session(story, "2")
    _flow(story, power_w=400.0, samples=5)
    assert story.kinds() == []
    _flow(story, power_w=500.0)
    assert len(story.standing) == 1


def test_kilowatts_from_an_outlet_that_is_said_to_be_free_fire(story: Story) -> None:
    story.status(ConnectorState.AVAILABLE)
    _flow(story)
    assert story.standing == []
    _flow(story)
    assert len(story.standing) == 1


def test_late_status_a_start_that_is_told_two_minutes_late(story: Story) -> None:
    story.status(ConnectorState.AVAILABLE)
    _flow(story, samples=3, every_s=50)
    _session(story, "2")
    assert story.kinds() == []


def test_values_upstream_of_the_contactor_are_the_stations_own(story: Story) -> None:
    for _ in range(5):
        story.wait(60)
        story.measure(power_w=300.0, location="Inlet")
    assert story.kinds() == []


def _aligned(story: Story, wh: float, watts: float) -> None:
    """One sample in a quarter of an hour, as stations align them with the clock."""
    story.wait(900)
    story.measure(energy_wh=wh, power_w=watts)


def test_a_register_that_counted_on_after_one_sample_says_how_long_it_flowed(story: Story) -> None:
    story.status(ConnectorState.PREPARING)
    _aligned(story, 100_000, 0)
    _aligned(story, 109_640, 153_557)
    assert story.standing == []
    _aligned(story, 121_090, 0)
    (finding,) = story.standing
    assert finding.fault == "welded_contactor"
    assert [item.value for item in finding.evidence[:2]] == ["153557 W", "4 min"]


def test_one_sample_of_which_nothing_was_counted_is_none(story: Story) -> None:
    story.status(ConnectorState.PREPARING)
    _aligned(story, 100_000, 7000)
    _aligned(story, 100_050, 0)
    _aligned(story, 107_000, 0)  # of something else, since
    assert story.kinds() == []


def test_a_meter_whose_line_is_dead_repeats_the_session(story: Story) -> None:
    for _ in range(20):
        story.wait(60)
        story.measure(energy_wh=5000, power_w=10_821.3)
    assert story.kinds() == []


def test_a_line_that_comes_back_brings_what_the_session_took(story: Story) -> None:
    story.start("2")
    story.status(ConnectorState.CHARGING)
    for _ in range(5):
        story.wait(60)
        story.measure(transaction="2", energy_wh=5000, power_w=150_821.3)
    story.stop("2", meter_wh=5000)
    story.status(ConnectorState.AVAILABLE)
    story.wait(600)
    story.measure(energy_wh=5000, power_w=150_821.3)
    story.wait(900)
    story.measure(energy_wh=17_568, power_w=0.0)
    assert story.kinds() == []


def test_a_register_of_whole_kilowatt_hours_is_waited_for(story: Story) -> None:
    for minute in range(12):
        story.wait(60)
        story.measure(energy_wh=5000 + minute * 117 // 1000 * 1000, power_w=7000)
    assert [finding.fault for finding in story.standing] == ["welded_contactor"]


def test_one_sample_is_none(story: Story) -> None:
    _flow(story, samples=1)
    _flow(story, samples=1, power_w=0.0)
    _flow(story, samples=1)
    assert story.kinds() == []


def test_late_status_a_start_may_wait_in_the_queue(story: Story) -> None:
    story.disconnect()
    _flow(story, samples=20)
    story.connect()
    _flow(story, samples=4)
    story.start("2")
    _flow(story, samples=4)
    assert story.kinds() == []


def test_a_station_that_says_it_charges_has_a_session_that_we_missed(story: Story) -> None:
    story.status(ConnectorState.CHARGING)
    _flow(story, samples=10)
    assert story.kinds() == []


def test_a_transaction_that_we_do_not_know_is_a_session(story: Story) -> None:
    for _ in range(10):
        story.wait(60)
        story.measure(transaction="77", power_w=6900.0)
        story.measure(source="mqtt", power_w=6900.0)
    assert story.kinds() == []


def test_a_station_that_tells_of_no_sessions_is_not_judged() -> None:
    story = Story(make_engine(rules=(welded_contactor.RULE,)))
    story.connect()
    story.wait(600)
    _flow(story, samples=10)
    assert story.kinds() == []


def test_replayed_values_say_nothing(story: Story) -> None:
    story.wait(3600)
    for minute in range(10):
        at = story.now - timedelta(minutes=50 - minute)
        story.measure(source="mqtt", power_w=6900.0, at=at)
        story.measure(power_w=6900.0, at=at)
    assert story.kinds() == []


def test_values_of_the_sessions_last_minute_are_the_sessions(story: Story) -> None:
    for second in range(0, 100, 10):
        story.measure(source="mqtt", power_w=6900.0, at=story.now - timedelta(seconds=120 - second))
    assert story.kinds() == []


def test_clears_when_sessions_end_without_it(story: Story) -> None:
    _flow(story)
    for number in range(2, 4):
        _session(story, str(number))
    assert len(story.standing) == 1
    _session(story, "4")
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_current_again_keeps_it(story: Story) -> None:
    _flow(story)
    _session(story, "2")
    _session(story, "3")
    _flow(story)
    _session(story, "4")
    assert len(story.standing) == 1


def test_the_report_of_the_contactor_is_put_under_it() -> None:
    story = Story(make_engine(rules=RULES))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    story.wait(600)
    _session(story, "1")
    story.status(ConnectorState.FAULTED, "PowerSwitchFailure")
    story.wait(90)
    assert [finding.fault for finding in story.standing] == ["reported_fault"]
    _flow(story)
    assert [finding.fault for finding in story.standing] == ["welded_contactor"]
