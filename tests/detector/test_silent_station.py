"""silent_station: online, nothing reported, and nobody comes where drivers use to."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from detector.changes import ChangeKind
from detector.engine import Engine
from detector.rules import silent_station
from laddvakt.domain.facts import TransactionReported, TransactionStarted, TransactionStopped
from laddvakt.domain.stations import ConnectorState, Station
from tests.support.detector import Story, make_engine

S = ConnectorState
RULES = (silent_station.RULE,)
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
STATIONS = [Station(station_id=f"SE-{n}", site_id="PARK") for n in (1, 2, 3)]
ALL = ("SE-1", "SE-2", "SE-3")


@pytest.fixture
def story() -> Story:
    story = Story(make_engine(STATIONS, rules=RULES), now=MONDAY)
    for station in ALL:
        _open(story, station)
    return story


def _open(story: Story, station: str) -> None:
    story.station_id = station
    story.connect()
    story.status(S.AVAILABLE)


def _visit(story: Story, station: str) -> None:
    """A driver's stop of half an hour, in the words of OCPP 1.6 (SE-1, SE-2) or 2.x (SE-3)."""
    story.station_id = station
    name = f"{station} {story.now}"
    story.status(S.PREPARING)
    story.start(name)
    if station == "SE-3":
        charging = TransactionReported(
            at=story.now,
            transaction_id=name,
            event="Updated",
            seq_no=1,
            connector_id=1,
            charging_state=S.CHARGING,
        )
        story.say(charging)
    else:
        story.status(S.CHARGING)
    story.now += timedelta(minutes=30)
    story.station_id = station
    story.stop(name, meter_wh=5000)
    story.status(S.AVAILABLE)


def _live(
    story: Story,
    days: float,
    *,
    stations: tuple[str, ...] = ALL,
    per_hour: float = 0.6,
    seed: int = 1,
    rare: float = 1.0,
) -> None:
    """Drivers come by day, to these stations. `rare`: the share of SE-1's that gets through."""
    rng = random.Random(seed)
    end = story.now + timedelta(days=days)
    while story.now < end:
        hour = story.now
        for station in stations:
            if 6 <= hour.hour < 20 and rng.random() < per_hour * (rare if station == "SE-1" else 1.0):
                story.now = hour
                _visit(story, station)
        story.now = hour + timedelta(hours=1)
        story.changes += story.engine.tick(story.now)


def test_a_station_that_nobody_uses_while_its_neighbours_are_used_is_found_within_two_days(story: Story) -> None:
    _live(story, 10)
    assert story.kinds() == []
    _live(story, 2, stations=("SE-2", "SE-3"), seed=2)
    (finding,) = story.standing
    assert (finding.fault, finding.station_id, finding.severity) == ("silent_station", "SE-1", "P2")
    assert "are usual" in finding.explanation
    assert "site's other stations" in str(finding.evidence[1].peers)


def test_a_station_of_ocpp_2x_is_watched_alike(story: Story) -> None:
    _live(story, 10)
    _live(story, 2, stations=("SE-1", "SE-2"), seed=2)
    assert [finding.station_id for finding in story.standing] == ["SE-3"]


def test_a_holiday_of_the_whole_site_is_no_fault(story: Story) -> None:
    _live(story, 10)
    _live(story, 4, per_hour=0.0)
    assert story.kinds() == []


def test_a_week_in_which_the_whole_site_is_quiet_is_no_fault(story: Story) -> None:
    _live(story, 10)
    _live(story, 7, per_hour=0.06, seed=5)
    assert story.kinds() == []


def test_nights_are_no_silence(story: Story) -> None:
    _live(story, 21)
    assert story.kinds() == []


def test_it_takes_twelve_hours() -> None:
    story = Story(make_engine(STATIONS, rules=RULES), now=MONDAY)
    for station in ALL:
        _open(story, station)
    rng = random.Random(1)
    while story.now < MONDAY + timedelta(days=7):
        _visit(story, rng.choice(ALL))
    last = max(change.at for change in story.changes)
    for _ in range(22):
        _visit(story, rng.choice(ALL[1:]))
    assert story.standing == []
    while not story.standing:
        _visit(story, rng.choice(ALL[1:]))
    raised = next(change.at for change in story.changes if change.kind is ChangeKind.RAISED)
    assert timedelta(hours=11) < raised - last < timedelta(hours=16)


def test_a_station_alone_at_its_site_must_be_surer() -> None:
    story = Story(make_engine([Station(station_id="SE-1")], rules=RULES), now=MONDAY)
    _open(story, "SE-1")
    _live(story, 14, stations=("SE-1",))
    _live(story, 0.55, stations=())
    assert story.standing == []
    _live(story, 1.45, stations=())
    assert [finding.confidence for finding in story.standing] == [0.7]


def test_a_parked_car_is_no_silence(story: Story) -> None:
    _live(story, 10)
    story.station_id = "SE-1"
    story.status(S.PREPARING)
    _live(story, 5, stations=("SE-2", "SE-3"), seed=2)
    assert story.kinds() == []


@pytest.mark.parametrize("status", [S.UNAVAILABLE, S.RESERVED, S.FAULTED])
def test_a_connector_that_is_not_for_use_is_not_silent(story: Story, status: ConnectorState) -> None:
    _live(story, 10)
    story.station_id = "SE-1"
    story.status(status)
    _live(story, 5, stations=("SE-2", "SE-3"), seed=2)
    assert story.kinds() == []


def test_time_without_a_link_is_not_counted(story: Story) -> None:
    _live(story, 10)
    story.disconnect("SE-1")
    _live(story, 5, stations=("SE-2", "SE-3"), seed=2)
    story.connect("SE-1")
    assert story.kinds() == []


def test_drivers_who_plug_in_and_get_nothing_are_not_silence(story: Story) -> None:
    _live(story, 10)
    for day in range(3):
        for _ in range(4):
            for _ in range(3):
                story.station_id = "SE-1"
                story.status(S.PREPARING)
                story.now += timedelta(minutes=5)
                story.status(S.AVAILABLE)
            _live(story, 0.25, stations=("SE-2", "SE-3"), seed=day)
    assert story.kinds() == []


def test_clears_when_drivers_come_as_they_use_to(story: Story) -> None:
    _live(story, 10)
    _live(story, 3, stations=("SE-2", "SE-3"), seed=2)
    assert len(story.standing) == 1
    story.now += timedelta(hours=8)
    for _ in range(2):
        _visit(story, "SE-1")
        assert len(story.standing) == 1
        story.now += timedelta(hours=1)
    for _ in range(2):
        _visit(story, "SE-1")
        story.now += timedelta(hours=1)
    assert story.standing == []


@pytest.mark.parametrize("seed", range(5))
def test_one_driver_in_eight_who_gets_through_does_not_clear_it(story: Story, seed: int) -> None:
    _live(story, 10)
    _live(story, 8, rare=1 / 8, seed=20 + seed)
    assert [kind for kind in story.kinds() if kind is not ChangeKind.STILL] == [ChangeKind.RAISED]
    _live(story, 2, seed=seed)
    assert story.standing == []


def test_clears_at_a_station_where_few_come_while_its_site_is_quiet(story: Story) -> None:
    _live(story, 20, per_hour=0.15)
    _live(story, 14, per_hour=0.15, rare=0.0, seed=2)
    assert len(story.standing) == 1
    _live(story, 5, per_hour=0.1, seed=3)
    assert story.standing == []


def test_what_is_usual_survives_a_restart(story: Story) -> None:
    _live(story, 10)
    _live(story, 0.5, stations=("SE-2", "SE-3"), seed=2)
    stored = story.engine.encode(story.engine.take_touched())
    story.engine = _restarted(stored)
    story.engine.listening(story.now)
    _live(story, 1.5, stations=("SE-2", "SE-3"), seed=3)
    assert [finding.station_id for finding in story.standing] == ["SE-1"]


def _restarted(stored: dict[str, bytes]) -> Engine:
    engine = make_engine(STATIONS, rules=RULES)
    engine.restore(stored)
    return engine


def test_an_outage_of_our_own_is_no_silence(story: Story) -> None:
    _live(story, 10)
    story.engine.collector_lost(story.now)
    story.wait(3 * 86_400)
    story.engine.listening(story.now)
    story.station_id = "SE-1"
    story.heartbeat()
    story.wait(7200)
    assert story.kinds() == []


def test_it_asks_for_little_memory(story: Story) -> None:
    _live(story, 3)
    with_rule = story.engine.encode(["SE-1"])["SE-1"]
    assert len(with_rule) < 2000


def test_transactions_told_late_are_no_visits_of_now(story: Story) -> None:
    _live(story, 10)
    story.station_id = "SE-1"
    for number in range(3):
        at = story.now - timedelta(hours=5)
        story.say(TransactionStarted(at=at, connector_id=1, transaction_id=f"late {number}", id_tag="A"))
        story.say(TransactionStopped(at=at, transaction_id=f"late {number}", meter_stop_wh=4000))
    _live(story, 2, stations=("SE-2", "SE-3"), seed=2)
    assert [finding.station_id for finding in story.standing] == ["SE-1"]
