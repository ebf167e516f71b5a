"""non_conforming: a station whose messages break the specification, while others of its model do not."""

from __future__ import annotations

import pytest

from detector.rules import non_conforming
from laddvakt.domain.entries import EntryKind
from laddvakt.domain.facts import NonConforming, Quarantined, QuarantineReason
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

DETAIL = "StatusNotification connectorId: 'SECRET' is not of type 'integer'"


@pytest.fixture
def story() -> Story:
    story = Story(make_engine(rules=(non_conforming.RULE,)))
    story.connect()
    story.boot()
    return story


def _odd(story: Story, detail: str = DETAIL, *, station: str | None = None) -> None:
    story.say(NonConforming(at=story.now, detail=detail), station=station)


def _messages(story: Story, count: int, *, odd_every: int = 0, station: str | None = None) -> None:
    for number in range(count):
        story.wait(1)
        if odd_every and number % odd_every == 0:
            _odd(story, station=station)
        else:
            story.heartbeat(station)


def test_more_than_five_of_a_hundred_fire_and_good_ones_clear(story: Story) -> None:
    _messages(story, 100, odd_every=10)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.id) == ("non_conforming", Severity.P4, "SE-1")
    assert finding.evidence[0].threshold == "5 % of 100"
    _messages(story, 450)
    assert story.standing == []


def test_a_hundred_messages_with_hardly_any_are_chance_and_clear_nothing(story: Story) -> None:
    _messages(story, 400, odd_every=10)
    _messages(story, 200)
    assert len(story.standing) == 1
    _messages(story, 400, odd_every=10)
    _messages(story, 200)
    assert len(story.standing) == 1


def test_what_was_wrong_is_told_without_the_value(story: Story) -> None:
    _messages(story, 100, odd_every=10)
    words = [item.value for item in story.standing[0].evidence]
    assert "StatusNotification connectorId" in words
    assert "SECRET" not in str(story.standing[0])


def test_five_of_a_hundred_never_fire(story: Story) -> None:
    _messages(story, 1000, odd_every=20)
    assert story.kinds() == []


def test_messages_that_were_set_aside_count(story: Story) -> None:
    for _ in range(100):
        story.wait(1)
        story.say(Quarantined(at=story.now, reason=QuarantineReason.INVALID_PAYLOAD, detail="Authorize idTag: no"))
    assert len(story.standing) == 1


@pytest.mark.parametrize(
    "reason",
    [
        QuarantineReason.UNSUPPORTED_ACTION,
        QuarantineReason.UNSUPPORTED_PROTOCOL,
        QuarantineReason.INTERNAL_ERROR,
        QuarantineReason.UNKNOWN_TRANSACTION,
        QuarantineReason.UNANSWERED_START,
    ],
)
def test_what_is_not_the_stations_fault_never_fires(story: Story, reason: QuarantineReason) -> None:
    for _ in range(200):
        story.say(Quarantined(at=story.now, reason=reason, detail="x"))
    assert story.kinds() == []


def test_what_a_device_says_never_fires(story: Story) -> None:
    for _ in range(300):
        story.say(NonConforming(at=story.now, detail="a retained message"), kind=EntryKind.MQTT)
    assert story.kinds() == []


def test_what_the_whole_model_does_is_its_makers_matter() -> None:
    story = Story(make_engine(rules=(non_conforming.RULE,)))
    for number in range(5):
        story.boot(f"SE-{number}")
    for _ in range(250):
        for number in range(5):
            _messages(story, 1, odd_every=1, station=f"SE-{number}")
            _messages(story, 2, station=f"SE-{number}")
    assert story.standing == []


def test_one_among_others_of_its_model_fires() -> None:
    story = Story(make_engine(rules=(non_conforming.RULE,)))
    for number in range(5):
        story.boot(f"SE-{number}")
    for number in range(1, 5):
        _messages(story, 120, station=f"SE-{number}")
    _messages(story, 120, odd_every=5, station="SE-0")
    (finding,) = story.standing
    assert finding.station_id == "SE-0"
    assert finding.evidence[0].peers == "0 % of 4 others of its model"
