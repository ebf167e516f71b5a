"""flapping (the rule): a station that comes and goes by itself, not by our doing or its site's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.changes import ChangeKind
from detector.rules import RULES, flapping
from laddvakt.domain.facts import CommandSent, FirmwareReported
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

HOUR = 3600
NETWORK = tuple(Station(station_id=f"S{site}-{n}", site_id=f"site-{site}") for site in range(3) for n in range(3))


@pytest.fixture
def story() -> Story:
    return Story(make_engine(rules=(flapping.RULE,)))


@pytest.fixture
def network() -> Story:
    story = Story(make_engine(NETWORK, rules=(flapping.RULE,)), station_id="S0-0")
    for station in NETWORK:
        story.connect(station.station_id)
        story.boot(station.station_id)
    story.wait(20 * 60)
    return story


def _reconnect(story: Story, times: int, *, every_s: float = 480, station: str | None = None) -> None:
    for _ in range(times):
        story.disconnect(station)
        story.wait(20)
        story.connect(station)
        story.wait(every_s - 20)


def _restart(story: Story, times: int, *, every_s: float = 3 * HOUR, station: str | None = None) -> None:
    for _ in range(times):
        story.disconnect(station)
        story.wait(60)
        story.connect(station)
        story.boot(station)
        story.wait(every_s - 60)


def test_six_reconnects_within_an_hour_fire_and_calm_clears(story: Story) -> None:
    _reconnect(story, 5)
    assert story.standing == []
    _reconnect(story, 1)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.mrec) == ("flapping", Severity.P3, ("CX007",))
    assert (finding.asset.kind, finding.asset.id) == ("station", "SE-1")
    assert (finding.evidence[0].value, finding.evidence[0].threshold) == ("6 in 60 min", "6 in 60 min")
    story.wait(HOUR)
    assert story.standing == []


def test_it_is_one_finding_however_long_it_goes_on(story: Story) -> None:
    _reconnect(story, 60, every_s=500)
    assert story.kinds().count(ChangeKind.RAISED) == 1
    assert ChangeKind.CLEARED not in story.kinds()


def test_five_reconnects_an_hour_never_fire(story: Story) -> None:
    _reconnect(story, 40, every_s=730)
    assert story.kinds() == []


def test_three_restarts_within_a_day_fire(story: Story) -> None:
    _restart(story, 2)
    assert story.standing == []
    _restart(story, 1)
    (finding,) = story.standing
    assert "restarted 3 times within 24 h" in finding.explanation
    assert finding.mrec == ()
    story.wait(25 * HOUR)
    assert story.standing == []


def test_two_restarts_a_day_never_fire(story: Story) -> None:
    _restart(story, 10, every_s=12.5 * HOUR)
    assert story.kinds() == []


def test_boots_that_are_repeated_on_one_link_are_no_restarts(story: Story) -> None:
    story.connect()
    for _ in range(20):
        story.boot()  # told to wait, or asked to boot again
        story.wait(300)
    assert story.kinds() == []


def test_restarts_that_we_ordered_never_fire(story: Story) -> None:
    for number in range(6):
        story.say(CommandSent(at=story.now, command_id=str(number), action="Reset", request='{"type": "Hard"}'))
        _restart(story, 1, every_s=HOUR)
    assert story.kinds() == []


@pytest.mark.parametrize("status", ["Downloading", "Installing", "Installed"])
def test_a_firmware_update_never_fires(story: Story, status: str) -> None:
    story.say(FirmwareReported(at=story.now, status=status))
    _restart(story, 3, every_s=600)
    _reconnect(story, 4, every_s=300)
    assert story.kinds() == []


def test_an_update_long_ago_excuses_nothing(story: Story) -> None:
    story.say(FirmwareReported(at=story.now, status="Installing"))
    story.wait(5 * HOUR)
    _reconnect(story, 6)
    assert len(story.standing) == 1


def test_restarts_of_our_own_that_we_know_of_never_fire(network: Story) -> None:
    for _ in range(8):
        network.engine.collector_lost(network.now)
        for station in NETWORK:
            network.connect(station.station_id)
            network.boot(station.station_id)
            network.wait(1)
        network.engine.listening(network.now)
        network.wait(400)
    assert network.kinds() == []


def test_restarts_of_our_own_that_nobody_told_of_never_fire(network: Story) -> None:
    for _ in range(8):
        for station in NETWORK:
            network.connect(station.station_id)
            network.boot(station.station_id)
            network.wait(1)
        network.wait(400)
    assert network.kinds() == []


def test_while_we_do_not_listen_nothing_is_judged(network: Story) -> None:
    _reconnect(network, 5, every_s=300)
    network.engine.collector_lost(network.now)
    _reconnect(network, 3, every_s=60)
    assert network.standing == []


def test_a_station_that_flaps_among_steady_ones_fires_alone(network: Story) -> None:
    _reconnect(network, 7)
    (finding,) = network.standing
    assert finding.station_id == "S0-0"
    assert "of 2 other stations" in finding.evidence[0].peers


def test_a_sites_power_that_fails_again_is_no_stations_fault(network: Story) -> None:
    for _ in range(4):
        for number in range(3):
            network.connect(f"S0-{number}")
            network.boot(f"S0-{number}")
            network.wait(20)
        network.wait(2 * HOUR)
    assert network.kinds() == []


def test_a_restart_of_the_detector_forgets_nothing(story: Story) -> None:
    _reconnect(story, 5)
    kept = story.engine.encode({"SE-1"})
    story.engine = make_engine(rules=(flapping.RULE,))
    story.engine.restore(kept)
    story.now += timedelta(seconds=1)
    _reconnect(story, 1)
    assert len(story.standing) == 1


def test_all_rules_together_make_one_ticket_of_a_station_that_flaps() -> None:
    story = Story(make_engine(rules=RULES))
    _reconnect(story, 20)
    assert [finding.fault for finding in story.standing] == ["flapping"]
