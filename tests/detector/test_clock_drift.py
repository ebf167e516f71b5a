"""clock_drift: a station whose clock is wrong, and stations that only tell late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.rules import clock_drift
from laddvakt.domain.facts import Measured, StatusReported, TransactionReported
from laddvakt.domain.readings import Reading
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Severity
from laddvakt.domain.times import effective_time
from tests.support.detector import Story, make_engine

S = ConnectorState


@pytest.fixture
def story() -> Story:
    return Story(make_engine(rules=(clock_drift.RULE,)))


def _status(story: Story, behind_s: float) -> None:
    """A StatusNotification by a clock that is so far behind; the collector keeps the station's word apart where it
    cannot be."""
    said = story.now - timedelta(seconds=behind_s)
    at = effective_time(said, story.now)
    story.say(StatusReported(at=at, connector_id=1, status=S.AVAILABLE, station_at=said if said != at else None))


def _run(story: Story, behind_s: float, *, times: int = 6, every_s: float = 60) -> None:
    for _ in range(times):
        story.wait(every_s)
        _status(story, behind_s)


@pytest.mark.parametrize(
    ("behind_s", "words"),
    [(80, "80 s behind"), (-80, "80 s ahead"), (4 * 3600 + 900, "4 h 15 min behind"), (-7600, "2 h 7 min ahead")],
)
def test_a_wrong_clock_fires(story: Story, behind_s: float, words: str) -> None:
    _run(story, behind_s)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.id) == ("clock_drift", Severity.P3, "SE-1")
    assert words in finding.explanation
    assert finding.evidence[0].threshold == "60 s"
    _status(story, 5)
    assert story.standing == []


def test_a_whole_hour_is_a_time_zone(story: Story) -> None:
    _run(story, 7195)
    assert "local time" in story.standing[0].probable_cause


def test_a_clock_from_before_its_time_fires(story: Story) -> None:
    _run(story, 20 * 365 * 86_400)
    assert len(story.standing) == 1


def test_the_charging_state_of_2x_and_its_values_show_it(story: Story) -> None:
    for number in range(7):
        story.wait(60)
        said = story.now + timedelta(hours=1)
        reading = Reading(at=story.now, field="power_w", value=1.0, station_at=said)
        story.say(
            TransactionReported(at=story.now, transaction_id="1", event="Updated", seq_no=number, connector_id=1),
            Measured(at=story.now, connector_id=1, transaction_id="1", readings=(reading,)),
        )
    assert "60 min ahead" in story.standing[0].explanation


def test_a_clock_that_drifts_slowly_is_found_on_the_way(story: Story) -> None:
    for minute in range(120):
        story.wait(60)
        _status(story, minute * 2.0)
    assert len(story.standing) == 1


def test_it_stays_while_it_hovers_about_the_threshold(story: Story) -> None:
    _run(story, 70)
    for behind_s in (50, 65, 45, 70):
        story.wait(60)
        _status(story, behind_s)
    assert len(story.standing) == 1


@pytest.mark.parametrize("sent_every_s", [0.1, 1, 5, 30])
def test_a_queue_that_is_emptied_never_fires(story: Story, sent_every_s: float) -> None:
    story.connect()
    story.disconnect()
    began = story.now
    story.wait(3 * 3600)
    story.connect()
    for minute in range(180):
        story.wait(sent_every_s)
        at = began + timedelta(minutes=minute)
        if at >= story.now:
            break
        reading = Reading(at=at, field="power_w", value=1.0)
        story.say(
            StatusReported(at=at, connector_id=1, status=S.CHARGING),
            Measured(at=at, connector_id=1, readings=(reading,)),
        )
    assert story.kinds() == []


def test_what_2x_marks_as_offline_never_fires(story: Story) -> None:
    for number in range(10):
        story.wait(60)
        at = story.now - timedelta(hours=1)
        story.say(
            TransactionReported(
                at=at, transaction_id="1", event="Updated", seq_no=number, connector_id=1, offline=True
            ),
            Measured(at=at, connector_id=1, readings=(Reading(at=at, field="power_w", value=1.0),)),
        )
    assert story.kinds() == []


def test_a_status_repeated_with_the_time_of_its_change_never_fires(story: Story) -> None:
    changed = story.now
    for _ in range(20):
        story.wait(600)
        story.say(StatusReported(at=changed, connector_id=1, status=S.AVAILABLE))
    assert story.kinds() == []


def test_many_old_ones_at_once_never_fire(story: Story) -> None:
    story.wait(3600)
    for connector_id in range(1, 9):
        at = story.now - timedelta(minutes=30)
        story.say(StatusReported(at=at, connector_id=connector_id, status=S.AVAILABLE))
    assert story.kinds() == []


def test_statuses_that_are_told_late_beside_values_that_are_not_never_fire(story: Story) -> None:
    for _ in range(10):
        _run(story, 100, times=4, every_s=120)
        story.measure(at=story.now - timedelta(seconds=1), power_w=1.0)
    assert story.kinds() == []


def test_messages_without_a_time_never_fire(story: Story) -> None:
    for _ in range(10):
        story.wait(60)
        story.status(S.AVAILABLE)
    assert story.kinds() == []


def test_values_of_the_future_count_beside_one_message_of_another_kind(story: Story) -> None:
    """As of a driver who leaves a bay that reports no more than that."""
    for _ in range(12):
        story.wait(30)
        story.measure(at=story.now + timedelta(seconds=400), power_w=1.0)
    assert story.standing == []
    _status(story, -405)
    assert "7 min ahead" in story.standing[0].explanation


def test_values_of_the_future_beside_a_message_with_the_right_time_never_fire(story: Story) -> None:
    for _ in range(12):
        story.wait(30)
        story.measure(at=story.now + timedelta(seconds=400), power_w=1.0)
    _status(story, 1)
    assert story.kinds() == []


@pytest.mark.parametrize("behind_s", [600.0, 480.0])
def test_values_count_beside_two_messages_of_another_kind(story: Story, behind_s: float) -> None:
    """A session: its start, its values once a minute, and its end."""
    _status(story, behind_s)
    for second in range(7):
        story.wait(60)
        story.measure(at=story.now - timedelta(seconds=behind_s + second), power_w=1.0)
    assert story.standing == []  # as far as is known, values alone may be stamped with the start of their interval
    _status(story, behind_s)
    (finding,) = story.standing
    assert f"{behind_s / 60:.0f} min behind" in finding.explanation
    assert finding.evidence[1].value == "9"


def test_values_stamped_with_the_start_of_their_quarter_never_fire(story: Story) -> None:
    for _ in range(6):
        _status(story, 1)
        for _ in range(8):
            story.wait(900)
            story.measure(at=story.now - timedelta(seconds=900), power_w=1.0)
        _status(story, 1)
    assert story.kinds() == []


@pytest.mark.parametrize("sent_every_s", [0.1, 1, 5, 30, 45])
def test_a_session_that_is_told_late_out_of_a_queue_never_fires(story: Story, sent_every_s: float) -> None:
    began = story.now
    story.wait(3 * 3600)
    _status(story, 3 * 3600)
    for minute in range(90):
        story.wait(sent_every_s)
        story.measure(at=began + timedelta(minutes=minute), power_w=1.0)
        if minute % 20 == 19:
            _status(story, (story.now - began).total_seconds() - minute * 60)
    assert story.kinds() == []


def test_a_devices_clock_is_not_the_stations(story: Story) -> None:
    for _ in range(10):
        story.wait(60)
        story.measure(source="mqtt", at=story.now - timedelta(minutes=3), power_w=1.0)
    assert story.kinds() == []
