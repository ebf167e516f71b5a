"""isolation, as it is measured; what is reported again and again is in test_repeated.py."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.rules import isolation
from laddvakt.domain.facts import EventReported
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

SITE = [
    Station(
        station_id=f"SE-{number}",
        site_id="PARK",
        current="DC",
        connectors=(Connector(connector_id=1, cable_id=f"CABLE-{number}"),),
    )
    for number in (1, 2)
]


@pytest.fixture
def story() -> Story:
    story = Story(make_engine(SITE, rules=(isolation.RULE,)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    return story


def _measure(story: Story, ohm_per_v: float, *, minutes: int = 6, every_s: float = 60) -> None:
    for _ in range(round(minutes * 60 / every_s)):
        story.wait(every_s)
        story.measure(source="mqtt", isolation_ohm_per_v=ohm_per_v)


@pytest.mark.parametrize(("ohm_per_v", "severity"), [(60.0, Severity.P1), (300.0, Severity.P3)])
def test_low_insulation_with_nothing_plugged_in_fires(story: Story, ohm_per_v: float, severity: Severity) -> None:
    _measure(story, ohm_per_v)
    (finding,) = story.standing
    assert (finding.asset.kind, finding.asset.id, finding.severity) == ("cable", "CABLE-1", severity)
    assert finding.evidence[0].value == f"{ohm_per_v:.0f} ohm/V"
    assert finding.evidence[2].value == "nothing"


def test_fires_after_five_minutes_at_one_sample_a_second(story: Story) -> None:
    _measure(story, 60.0, minutes=4, every_s=1)
    assert story.standing == []
    _measure(story, 60.0, minutes=2, every_s=1)
    assert len(story.standing) == 1


def test_poor_insulation_that_becomes_dangerous_is_told_anew(story: Story) -> None:
    _measure(story, 300.0)
    _measure(story, 50.0)
    assert [finding.severity for finding in story.standing] == [Severity.P1]


def test_one_vehicle_is_evidence_about_the_vehicle_and_two_about_the_cable(story: Story) -> None:
    for number, card in enumerate(("A", "A", "B")):
        story.start(str(number), card)
        _measure(story, 60.0)
        assert len(story.standing) == (card == "B")
        story.stop(str(number))
    assert "2 vehicles in turn" in [item.value for item in story.standing[0].evidence]


def test_rain_lowers_it_at_the_neighbour_too(story: Story) -> None:
    for _ in range(20):
        story.wait(60)
        story.station_id = "SE-2"
        story.measure(source="mqtt", isolation_ohm_per_v=800.0)
        story.station_id = "SE-1"
        story.measure(source="mqtt", isolation_ohm_per_v=400.0)
    assert story.kinds() == []


@pytest.mark.parametrize("ohm_per_v", [600.0, 0.0], ids=["sound", "monitor_off"])
def test_look_alikes_never_fire(story: Story, ohm_per_v: float) -> None:
    _measure(story, ohm_per_v, minutes=20)
    assert story.kinds() == []


def test_single_low_values_never_fire(story: Story) -> None:
    for _ in range(5):
        _measure(story, 60.0, minutes=2)
        _measure(story, 5000.0, minutes=2)
    assert story.kinds() == []


def test_a_station_of_2x_tells_it_in_ohm(story: Story) -> None:
    for _ in range(7):
        story.wait(60)
        event = {"component": "GroundIsolationProtection", "variable": "Impedance", "value": "30000"}
        story.say(EventReported(at=story.now, connector_id=1, **event))
    (finding,) = story.standing
    assert (finding.severity, finding.evidence[0].value) == (Severity.P1, "60 ohm/V")


def test_clears_when_it_is_dry_again(story: Story) -> None:
    _measure(story, 60.0)
    _measure(story, 550.0)
    assert len(story.standing) == 1
    _measure(story, 700.0)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]
