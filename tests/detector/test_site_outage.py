"""A site that goes dark is one ticket; what stays silent afterwards gets its own."""

from __future__ import annotations

from datetime import timedelta

from detector.changes import ChangeKind
from laddvakt.domain.stations import Station
from tests.support.detector import Story, make_engine

SITE = [f"SE-{n:02d}" for n in range(20)]
ELSEWHERE = [f"NO-{n:02d}" for n in range(40)]


def _network() -> Story:
    here = [Station(station_id=s, site_id="BRYGGAN") for s in SITE]
    there = [Station(station_id=s, site_id=f"SITE-{n // 4}") for n, s in enumerate(ELSEWHERE)]
    return Story(make_engine([*here, *there]), station_id="SE-00")


def _beat(story: Story, stations: list[str], *, minutes: int) -> None:
    for _ in range(minutes // 5):
        for station in stations:
            story.heartbeat(station)
        story.wait(300)


def _raised(story: Story) -> list[tuple[str, str]]:
    return [
        (c.finding.fault, c.finding.asset.id) for c in story.changes if c.kind is ChangeKind.RAISED and c.finding
    ]


def test_twenty_silent_stations_are_one_finding() -> None:
    story = _network()
    _beat(story, [*SITE, *ELSEWHERE], minutes=30)
    _beat(story, ELSEWHERE, minutes=60)
    assert _raised(story) == [("site_outage", "BRYGGAN")]
    (finding,) = story.standing
    assert "20 of 20 stations of BRYGGAN" in finding.explanation


def test_half_a_site_is_enough_and_less_is_not() -> None:
    story = _network()
    _beat(story, [*SITE, *ELSEWHERE], minutes=30)
    _beat(story, [*SITE[9:], *ELSEWHERE], minutes=60)
    assert {fault for fault, _ in _raised(story)} == {"offline"}
    assert len(_raised(story)) == 9


def test_the_stations_that_stay_silent_get_their_own() -> None:
    story = _network()
    _beat(story, [*SITE, *ELSEWHERE], minutes=30)
    _beat(story, ELSEWHERE, minutes=60)
    _beat(story, [*SITE[3:], *ELSEWHERE], minutes=30)
    standing = {(finding.fault, finding.asset.id) for finding in story.standing}
    assert standing == {("offline", station) for station in SITE[:3]}


def test_those_that_follow_within_minutes_get_no_ticket() -> None:
    story = _network()
    _beat(story, [*SITE, *ELSEWHERE], minutes=30)
    _beat(story, ELSEWHERE, minutes=60)
    _beat(story, [*SITE[3:], *ELSEWHERE], minutes=5)
    _beat(story, [*SITE, *ELSEWHERE], minutes=30)
    assert _raised(story) == [("site_outage", "BRYGGAN")]
    assert story.standing == []


def test_a_ticket_of_a_station_is_put_under_the_one_of_its_site() -> None:
    story = _network()
    _beat(story, [*SITE, *ELSEWHERE], minutes=30)
    _beat(story, [*SITE[1:], *ELSEWHERE], minutes=30)
    assert _raised(story) == [("offline", "SE-00")]
    _beat(story, ELSEWHERE, minutes=60)
    cleared = [c for c in story.changes if c.kind is ChangeKind.CLEARED]
    assert [(c.finding.asset.id, c.reason) for c in cleared if c.finding] == [
        ("SE-00", "held_back_by:site_outage")
    ]
    assert {finding.fault for finding in story.standing} == {"site_outage"}


def test_our_own_restart_raises_nothing() -> None:
    story = _network()
    _beat(story, [*SITE, *ELSEWHERE], minutes=30)
    story.now += timedelta(hours=6)
    story.engine.listening(story.now)
    _beat(story, [*SITE, *ELSEWHERE], minutes=30)
    assert _raised(story) == []
