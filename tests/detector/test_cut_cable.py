"""cut_cable: a cable that the station says is cut, or whose plug sensors are gone together with others."""

from __future__ import annotations

import pytest

from detector.rules import RULES, cut_cable
from laddvakt.domain.facts import EventReported, SecurityEventReported
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

S = ConnectorState
OPEN_C = -120.0
HOUR = 3600
STATION = Station(
    station_id="SE-1",
    connectors=(Connector(connector_id=1, cable_id="CAB-1"), Connector(connector_id=2, cable_id="CAB-2")),
)


@pytest.fixture
def story() -> Story:
    story = Story(make_engine((STATION,), rules=(cut_cable.RULE,)))
    story.connect()
    for connector_id in (1, 2):
        story.status(S.AVAILABLE, connector_id=connector_id)
    _plugs(story, 15.0, 16.0)
    return story


def _plugs(story: Story, *celsius: float) -> None:
    for connector_id, value in enumerate(celsius, 1):
        story.measure(connector_id=connector_id, source="mqtt", plug_temperature_c=value)


def test_the_stations_own_word_fires_at_once_for_the_cable(story: Story) -> None:
    story.status(S.FAULTED, "OtherError", connector_id=2, mrec=("CX026",))
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.mrec) == ("cut_cable", Severity.P1, ("CX026",))
    assert (finding.asset.kind, finding.asset.id, finding.connector_id) == ("cable", "CAB-2", 2)
    story.status(S.AVAILABLE, connector_id=2)
    story.wait(60)
    assert story.standing == []


def test_a_breakaway_sensor_of_2x_fires(story: Story) -> None:
    story.say(
        EventReported(
            at=story.now, component="CableBreakawaySensor", variable="Tripped", connector_id=1, value="true"
        )
    )
    assert [finding.asset.id for finding in story.standing] == ["CAB-1"]


def test_a_station_that_reconnects_keeps_its_word(story: Story) -> None:
    story.status(S.FAULTED, "OtherError", mrec=("CX026",))
    story.disconnect()
    story.wait(300)
    story.connect()
    story.wait(120)
    assert len(story.standing) == 1


@pytest.mark.parametrize("alarm", ["tamper", "door"])
def test_two_plug_sensors_and_an_alarm_fire_at_once(story: Story, alarm: str) -> None:
    _plugs(story, OPEN_C)
    story.wait(300)
    if alarm == "tamper":
        story.say(SecurityEventReported(at=story.now, event="TamperDetectionActivated"))
    else:
        story.measure(connector_id=0, source="mqtt", door_open=1.0)
    assert story.standing == []
    _plugs(story, OPEN_C, OPEN_C)
    (finding,) = story.standing
    assert (finding.severity, finding.asset.kind, finding.asset.id) == (Severity.P1, "station", "SE-1")
    assert "connector 1, 2" in finding.explanation
    _plugs(story, 15.0, 16.0)
    story.wait(60)
    assert story.standing == []


def test_two_plug_sensors_and_a_lost_link_fire_once_they_are_read_on(story: Story) -> None:
    _plugs(story, OPEN_C, OPEN_C)
    story.disconnect()
    story.wait(540)
    _plugs(story, OPEN_C, OPEN_C)
    assert story.standing == []
    story.wait(60)
    _plugs(story, OPEN_C, OPEN_C)
    (finding,) = story.standing
    assert (finding.severity, finding.asset.id) == (Severity.P1, "SE-1")
    story.connect()
    story.disconnect()
    story.wait(2 * HOUR)
    assert len(story.standing) == 1
    story.connect()
    _plugs(story, 15.0, 16.0)
    story.wait(60)
    assert story.standing == []


@pytest.mark.parametrize("lasts_s", [300, 2 * HOUR])
def test_a_power_cut_that_takes_the_sensors_and_then_the_link_never_fires(story: Story, lasts_s: float) -> None:
    _plugs(story, OPEN_C, OPEN_C)
    story.wait(30)
    _plugs(story, OPEN_C, OPEN_C)
    story.wait(45)
    story.disconnect()
    story.wait(lasts_s)
    story.connect()
    story.boot()
    story.wait(30)
    _plugs(story, 15.0, 16.0)
    story.wait(HOUR)
    assert story.kinds() == []


def test_two_plug_sensors_alone_fire_later_and_less_sure(story: Story) -> None:
    _plugs(story, OPEN_C, OPEN_C)
    story.wait(1799)
    assert story.standing == []
    story.wait(1)
    (finding,) = story.standing
    assert (finding.severity, finding.confidence) == (Severity.P2, 0.6)


def test_one_sensor_is_a_broken_sensor(story: Story) -> None:
    _plugs(story, OPEN_C)
    story.say(SecurityEventReported(at=story.now, event="TamperDetectionActivated"))
    story.wait(5 * HOUR)
    assert story.kinds() == []


def test_sensors_that_break_on_different_days_never_fire(story: Story) -> None:
    _plugs(story, OPEN_C)
    story.wait(2 * HOUR)
    _plugs(story, OPEN_C, OPEN_C)
    story.wait(5 * HOUR)
    assert story.kinds() == []


def test_a_power_cut_in_which_nothing_is_read_never_fires(story: Story) -> None:
    story.disconnect()
    story.wait(5 * HOUR)
    assert story.kinds() == []


def test_a_tamper_alarm_alone_never_fires(story: Story) -> None:
    story.say(SecurityEventReported(at=story.now, event="TamperDetectionActivated"))
    _plugs(story, 15.0, 16.0)
    story.wait(5 * HOUR)
    assert story.kinds() == []


def test_a_cable_through_which_power_flows_is_there(story: Story) -> None:
    _plugs(story, OPEN_C, OPEN_C)
    story.wait(60)
    story.start("1", "A")
    story.measure(transaction="1", power_w=7000.0)
    story.wait(5 * HOUR)
    assert story.kinds() == []


def test_the_report_as_such_is_put_under_it() -> None:
    story = Story(make_engine((STATION,), rules=RULES))
    story.connect()
    story.status(S.FAULTED, "OtherError", mrec=("CX026",))
    story.wait(300)
    assert [finding.fault for finding in story.standing] == ["cut_cable"]
