"""plug_overheat: plugs that get too hot, over each protocol, and sensors that only say so."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.rules import plug_overheat
from laddvakt.domain.facts import EventReported
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine


@pytest.fixture
def story() -> Story:
    station = Station(station_id="SE-1", connectors=(Connector(connector_id=1, cable_id="CABLE-1"),))
    return Story(make_engine([station], rules=(plug_overheat.RULE,)))


def _say(story: Story, way: str, celsius: float, transaction: str = "1") -> None:
    if way == "1.6":
        story.measure(transaction=transaction, temperature_c=celsius, current_a=200.0)
    elif way == "1.6 cable":
        story.measure(transaction=transaction, temperature_c=celsius, location="Cable")
    elif way == "2.x":
        event = EventReported(
            at=story.now, component="Connector", variable="Temperature", connector_id=1, value=str(celsius)
        )
        story.say(event)
    else:
        story.measure(source="mqtt", plug_temperature_c=celsius)


def _heat(story: Story, to_c: float, way: str = "1.6", transaction: str = "1", every_s: float = 60) -> None:
    celsius = 20.0
    while celsius < to_c:
        celsius = min(celsius + 6, to_c)
        _say(story, way, celsius, transaction)
        story.wait(every_s)
    _say(story, way, celsius, transaction)


def _session(story: Story, transaction: str, to_c: float, energy_wh: int = 9000) -> None:
    story.start(transaction, f"CARD-{transaction}")
    _heat(story, to_c, transaction=transaction)
    story.stop(transaction, meter_wh=energy_wh)
    for celsius in (60.0, 40.0, 25.0):
        story.wait(600)
        story.measure(temperature_c=celsius)


@pytest.mark.parametrize("way", ["1.6", "1.6 cable", "2.x", "mqtt"])
def test_a_hot_plug_fires_over_each_protocol(story: Story, way: str) -> None:
    story.start("1")
    _heat(story, 80, way)
    (finding,) = story.standing
    assert (finding.fault, finding.severity) == ("plug_overheat", Severity.P1)
    assert (finding.asset.kind, finding.asset.id) == ("cable", "CABLE-1")


def test_a_plug_that_gets_worse_is_told_anew(story: Story) -> None:
    story.start("1")
    _heat(story, 80)
    for celsius in (92, 105, 118, 125):
        story.wait(60)
        _say(story, "1.6", celsius)
    (finding,) = story.standing
    assert "out of use at once" in finding.suggested_action
    assert "200 A" in [item.value for item in finding.evidence]


def test_a_warm_plug_never_fires(story: Story) -> None:
    _session(story, "1", 77)
    assert story.kinds() == []


def test_one_hot_sample_alone_never_fires(story: Story) -> None:
    story.start("1")
    _heat(story, 76)
    for celsius in (79, 77, 79, 77):
        story.wait(60)
        _say(story, "1.6", celsius)
    assert story.kinds() == []


@pytest.mark.parametrize("open_c", [-50.0, 200.0, 850.0, 3276.7])
def test_an_open_or_shorted_sensor_never_fires(story: Story, open_c: float) -> None:
    story.start("1")
    for _ in range(30):
        _say(story, "1.6", open_c)
        story.wait(60)
    assert story.kinds() == []


def test_a_loose_sensor_that_jumps_never_fires(story: Story) -> None:
    story.start("1")
    for _ in range(30):
        for celsius in (22.0, 95.0, 95.0, 21.0, 140.0):
            _say(story, "1.6", celsius)
            story.wait(60)
    assert story.kinds() == []


def _every_five_minutes(story: Story, *celsius: float) -> None:
    for value in celsius:
        _say(story, "1.6", value)
        story.wait(300)


def test_a_sensor_that_leapt_before_is_not_believed_twice_in_a_row(story: Story) -> None:
    """Five minutes are long enough for a plug to warm by 60 K, but not to cool down again."""
    story.start("1")
    _every_five_minutes(story, 40.0, 105.0, 42.0, 45.0, 88.0, 110.0, 44.0)
    assert story.kinds() == []


def test_a_plug_that_is_hot_is_told_though_its_sensor_leapt_before(story: Story) -> None:
    story.start("1")
    _every_five_minutes(story, 40.0, 105.0, 42.0, 70.0, 82.0, 85.0, 86.0)
    assert story.kinds() == []
    _every_five_minutes(story, 86.0)
    assert story.kinds() == [ChangeKind.RAISED]


def test_the_inside_of_the_station_is_no_plug(story: Story) -> None:
    story.start("1")
    for _ in range(5):
        story.measure(transaction="1", temperature_c=85.0, location="Body")
        story.measure(source="mqtt", cabinet_temperature_c=85.0)
        story.wait(60)
    assert story.kinds() == []


def test_cooling_down_clears_nothing_and_two_cool_sessions_do(story: Story) -> None:
    _session(story, "1", 85)
    _session(story, "2", 50)
    assert ChangeKind.CLEARED not in story.kinds()
    _session(story, "3", 50)
    assert story.kinds()[-1] is ChangeKind.CLEARED


def test_sessions_that_charge_next_to_nothing_clear_nothing(story: Story) -> None:
    _session(story, "1", 85)
    for number in range(4):
        _session(story, f"few{number}", 30, energy_wh=300)
    assert ChangeKind.CLEARED not in story.kinds()


def test_a_second_sensor_that_says_otherwise_hides_nothing(story: Story) -> None:
    story.start("1")
    for celsius in (60.0, 85.0, 85.0):
        _say(story, "1.6", celsius)
        _say(story, "mqtt", 20.0)
        story.wait(60)
    assert [finding.fault for finding in story.standing] == ["plug_overheat"]


def test_the_stations_own_report_of_it_is_part_of_it() -> None:
    story = Story(make_engine())
    story.start("1")
    _heat(story, 85)
    story.status(ConnectorState.CHARGING, "HighTemperature", mrec=("CX018",))
    story.wait(120)
    assert [finding.fault for finding in story.standing] == ["plug_overheat"]


def test_one_sample_a_second_fires_as_well(story: Story) -> None:
    story.start("1")
    for tick in range(700):
        _say(story, "mqtt", 20 + tick / 10)
        story.wait(1)
    assert [finding.fault for finding in story.standing] == ["plug_overheat"]
