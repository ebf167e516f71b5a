"""phase_imbalance: three voltages, or three currents, that should be equal."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.rules import phase_imbalance
from laddvakt.domain.stations import Station
from tests.support.detector import Story, make_engine

SITE = [Station(station_id=f"SE-{n}", site_id="PARK", current="AC", phases=3) for n in (1, 2)]
Three = tuple[float, float, float]
EQUAL, SKEWED = (231.0, 230.0, 229.0), (218.0, 236.0, 235.0)
IDLE, THREE, ONE = (0.0, 0.0, 0.0), (16.0, 16.0, 16.0), (30.0, 0.0, 0.0)


@pytest.fixture
def story() -> Story:
    return Story(make_engine(SITE, rules=(phase_imbalance.RULE,)))


def _say(story: Story, volts: Three, amps: Three, *, transaction: str = "", connector_id: int = 1) -> None:
    values = {f"voltage_l{phase}_v": value for phase, value in enumerate(volts, start=1)}
    values |= {f"current_l{phase}_a": value for phase, value in enumerate(amps, start=1)}
    story.measure(transaction=transaction, connector_id=connector_id, **values)


def _charge(
    story: Story, transaction: str, volts: Three, amps: Three, *, minutes: int = 30, every_s: float = 60
) -> None:
    story.start(transaction, f"CARD{transaction}")
    for _ in range(round(minutes * 60 / every_s)):
        story.wait(every_s)
        _say(story, volts, amps, transaction=transaction)
    story.stop(transaction, meter_wh=4000)


@pytest.mark.parametrize("amps", [IDLE, THREE], ids=["idle", "charging"])
def test_voltages_that_part_fire(story: Story, amps: Three) -> None:
    _charge(story, "1", SKEWED, amps)
    (finding,) = story.standing
    assert (finding.fault, finding.asset.kind, finding.connector_id) == ("phase_imbalance", "station", None)
    assert [item.value for item in finding.evidence] == ["5.1 %", "218.0, 236.0, 235.0 V"]


def test_fires_at_one_sample_a_second(story: Story) -> None:
    _charge(story, "1", SKEWED, THREE, minutes=23, every_s=1)
    assert len(story.standing) == 1


def test_a_phase_that_sags_under_load_alone_is_a_poor_terminal(story: Story) -> None:
    _charge(story, "1", (223.0, 230.0, 230.0), THREE, minutes=60)
    assert story.kinds() == []


def test_ten_minutes_alone_are_not_enough(story: Story) -> None:
    _charge(story, "1", SKEWED, THREE, minutes=12)
    _charge(story, "2", EQUAL, THREE, minutes=12)
    assert story.kinds() == []


def test_a_one_phase_vehicle_parts_them_itself(story: Story) -> None:
    _charge(story, "1", SKEWED, ONE, minutes=60)
    assert story.kinds() == []


def test_so_does_one_at_the_stations_other_connector(story: Story) -> None:
    story.start("9", "OTHER", connector_id=2)
    story.start("1", "CARD")
    for _ in range(40):
        story.wait(60)
        _say(story, EQUAL, ONE, transaction="9", connector_id=2)
        _say(story, SKEWED, THREE, transaction="1")
    assert story.kinds() == []


def test_so_does_one_that_charges_without_a_session(story: Story) -> None:
    """A contactor that does not open: the phases are loaded all the same."""
    for _ in range(60):
        story.wait(60)
        _say(story, SKEWED, IDLE)
        _say(story, SKEWED, ONE, connector_id=2)
    assert story.kinds() == []


def test_what_the_session_drew_last_loads_nothing_afterwards(story: Story) -> None:
    _charge(story, "1", EQUAL, ONE, minutes=5)
    for _ in range(40):
        story.wait(60)
        _say(story, SKEWED, IDLE, connector_id=2)
    assert len(story.standing) == 1


def test_what_the_neighbour_sees_too_is_the_grids(story: Story) -> None:
    for _ in range(40):
        story.wait(60)
        story.station_id = "SE-2"
        _say(story, (226.0, 233.0, 233.0), IDLE)
        story.station_id = "SE-1"
        _say(story, (222.0, 233.0, 234.0), IDLE)
    assert story.kinds() == []


def test_what_a_neighbours_one_phase_vehicle_may_explain_never_fires(story: Story) -> None:
    story.station_id = "SE-2"
    story.start("9", "OTHER")
    for _ in range(40):
        story.wait(60)
        story.station_id = "SE-2"
        _say(story, EQUAL, ONE, transaction="9")
        story.station_id = "SE-1"
        _say(story, (225.0, 233.0, 233.0), IDLE)
    assert story.kinds() == []


@pytest.mark.parametrize("volts", [EQUAL, (14.0, 231.0, 230.0)], ids=["equal", "lost_phase"])
def test_look_alikes_never_fire(story: Story, volts: Three) -> None:
    _charge(story, "1", volts, IDLE, minutes=60)
    assert story.kinds() == []


def test_unequal_currents_of_two_vehicles_fire(story: Story) -> None:
    _charge(story, "1", EQUAL, (16.0, 10.0, 16.0))
    assert story.standing == []
    _charge(story, "2", EQUAL, (16.0, 9.0, 16.0))
    (finding,) = story.standing
    assert finding.evidence[-1].value == "2"


def test_a_vehicle_that_draws_equally_speaks_for_the_station(story: Story) -> None:
    for number in range(6):
        _charge(story, str(number), EQUAL, THREE if number % 2 else (16.0, 9.0, 16.0))
    assert story.kinds() == []


def test_clears_when_they_are_equal_again(story: Story) -> None:
    _charge(story, "1", SKEWED, THREE)
    _charge(story, "2", EQUAL, THREE)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]
