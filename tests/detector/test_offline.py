"""offline: silence of a station, not of ourselves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.changes import ChangeKind
from laddvakt.domain.facts import FirmwareReported
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import START, Story, make_engine


def test_silence_of_fifteen_minutes_fires_and_a_frame_clears() -> None:
    story = Story()
    story.connect()
    story.disconnect()
    story.wait(899)
    assert story.standing == []
    story.wait(1)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.mrec) == ("offline", Severity.P2, ("CX013",))
    assert finding.since == START
    story.wait(1800)
    story.connect()
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]
    assert story.changes[-1].reason == "heard"


def test_any_frame_proves_liveness() -> None:
    story = Story()
    for _ in range(10):
        story.heartbeat()
        story.wait(890)
    assert story.kinds() == []


def test_a_device_that_speaks_for_the_station_does_not_prove_its_link() -> None:
    story = Story()
    story.connect()
    for _ in range(20):
        story.wait(60)
        story.measure(source="mqtt", plug_temperature_c=20.0)
    assert len(story.standing) == 1


def test_three_heartbeats_where_that_is_longer_while_the_link_seems_open() -> None:
    story = Story()
    story.connect()
    story.boot(interval=600)
    story.wait(1799)
    assert story.standing == []
    story.wait(1)
    assert len(story.standing) == 1


def test_a_closed_link_needs_no_heartbeats_to_be_waited_for() -> None:
    story = Story()
    story.boot(interval=600)
    story.disconnect()
    story.wait(900)
    assert len(story.standing) == 1


def test_an_idle_station_was_alive_until_its_link_closed() -> None:
    story = Story()
    story.boot(interval=600)
    story.wait(290)
    story.disconnect()
    story.wait(899)
    assert story.standing == []
    story.wait(1)
    assert len(story.standing) == 1


def test_a_link_that_takes_longer_than_a_heartbeat_to_close_was_dead_before() -> None:
    story = Story()
    story.boot(interval=60)
    story.wait(800)
    story.disconnect()
    story.wait(159)
    assert story.standing == []
    story.wait(1)
    assert len(story.standing) == 1


def test_a_station_only_known_by_its_devices_is_not_offline() -> None:
    story = Story()
    story.measure(source="mqtt", plug_temperature_c=20.0)
    story.wait(7200)
    assert story.kinds() == []


def test_the_time_is_a_setting() -> None:
    story = Story(make_engine(thresholds={"offline": {"after_s": 30}}))
    story.connect()
    story.disconnect()
    story.wait(30)
    assert len(story.standing) == 1


@pytest.mark.parametrize("status", [ConnectorState.UNAVAILABLE])
def test_planned_maintenance_is_given_a_day(status: ConnectorState) -> None:
    story = Story()
    story.status(status)
    story.disconnect()
    story.wait(20 * 3600)
    assert story.standing == []
    story.wait(4 * 3600)
    assert len(story.standing) == 1


def test_a_firmware_update_is_given_a_day() -> None:
    story = Story()
    story.say(FirmwareReported(at=story.now, status="Installing"))
    story.disconnect()
    story.wait(7200)
    assert story.standing == []


def test_our_collector_down_means_nothing_and_its_return_gives_the_full_time_anew() -> None:
    story = Story()
    story.connect()
    story.wait(60)
    story.engine.collector_lost(story.now)
    story.wait(7200)
    assert story.standing == []
    story.engine.listening(story.now)
    story.wait(899)
    assert story.standing == []
    story.wait(1)
    assert len(story.standing) == 1


def test_a_finding_that_stands_is_not_cleared_by_our_own_restart() -> None:
    story = Story()
    story.connect()
    story.disconnect()
    story.wait(900)
    story.engine.collector_lost(story.now)
    story.wait(100)
    story.engine.listening(story.now)
    story.wait(100)
    assert story.kinds() == [ChangeKind.RAISED]


def _network(sites: int, each: int) -> Story:
    stations = [
        Station(station_id=f"S{site}-{number}", site_id=f"site-{site}")
        for site in range(sites)
        for number in range(each)
    ]
    story = Story(make_engine(stations))
    for station in stations:
        story.connect(station.station_id)
    return story


@pytest.mark.parametrize("lasts_s", [2700, 3590, 7200, 8080])
def test_many_sites_at_once_is_our_own_outage(lasts_s: float) -> None:
    """Whenever it ends: who is late by minutes is given the full time from then on."""
    story = _network(sites=3, each=4)
    story.wait(lasts_s)
    assert story.kinds() == []
    for site in range(3):
        for number in range(4):
            if (site, number) != (1, 2):
                story.connect(f"S{site}-{number}")
    story.wait(600)
    assert story.standing == []  # the one left over is given its time
    for site in range(3):
        for number in range(4):
            if (site, number) != (1, 2):
                story.heartbeat(f"S{site}-{number}")
    story.wait(600)
    assert [finding.station_id for finding in story.standing] == ["S1-2"]


def test_one_of_many_is_its_own_outage_and_the_peers_are_named() -> None:
    story = _network(sites=2, each=3)
    for _ in range(6):
        story.wait(300)
        for site in range(2):
            for number in range(3):
                if (site, number) != (0, 0):
                    story.heartbeat(f"S{site}-{number}")
    (finding,) = story.standing
    assert finding.station_id == "S0-0"
    assert finding.evidence[0].peers == "2 of 2 other stations of the site are heard"


def test_evidence_names_reading_and_threshold() -> None:
    story = Story()
    story.connect()
    story.disconnect()
    story.wait(900)
    (finding,) = story.standing
    assert (finding.evidence[0].value, finding.evidence[0].threshold) == ("15 min", "15 min")
    assert finding.evidence[1].value == "closed"


def test_a_standing_finding_is_worded_anew_each_hour() -> None:
    story = Story()
    story.connect()
    story.disconnect()
    story.wait(900)
    story.wait(3 * 3600)
    assert story.kinds() == [ChangeKind.RAISED] + [ChangeKind.STILL] * 3
    assert story.changes[-1].at - START == timedelta(seconds=900 + 3 * 3600)


def test_other_findings_are_held_back_while_the_station_is_offline() -> None:
    story = Story()
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    story.disconnect()
    story.wait(900)
    story.connect()  # clears offline
    story.status(ConnectorState.FAULTED, "GroundFailure")
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED, ChangeKind.RAISED]
