"""phase_loss: one of three phases carries nothing, or has no voltage."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.rules import RULES, phase_loss
from laddvakt.domain.stations import ConnectorState
from tests.support.detector import Story, make_engine

ALL = (16.0, 15.9, 16.1)


@pytest.fixture
def story() -> Story:
    story = Story(make_engine(rules=(phase_loss.RULE,)))
    story.connect()
    return story


def _draw(
    story: Story,
    amps: tuple[float, float, float],
    *,
    samples: int = 4,
    every_s: float = 60,
    transaction: str = "1",
    volts: tuple[float, float, float] = (231.0, 229.0, 230.0),
) -> None:
    values = {f"current_l{phase}_a": value for phase, value in enumerate(amps, start=1)}
    values |= {f"voltage_l{phase}_v": value for phase, value in enumerate(volts, start=1)}
    for _ in range(samples):
        story.wait(every_s)
        story.measure(transaction=transaction, **values)


def _session(story: Story, transaction: str, card: str, *stretches: tuple[float, float, float]) -> None:
    story.start(transaction, card)
    for amps in stretches:
        _draw(story, amps, transaction=transaction)
    story.stop(transaction, meter_wh=5000)
    story.wait(300)


def test_a_phase_that_stops_in_mid_session_fires(story: Story) -> None:
    _session(story, "1", "A", ALL, (16.0, 0.0, 16.0))
    (finding,) = story.standing
    assert (finding.fault, finding.asset.kind) == ("phase_loss", "station")
    assert "no current on L2" in finding.explanation
    assert finding.evidence[0].peers == "other phases at least 16.0 A"


def test_fires_after_two_minutes_at_one_sample_a_second(story: Story) -> None:
    story.start("1")
    _draw(story, ALL, samples=5, every_s=1)
    _draw(story, (16.0, 0.0, 16.0), samples=110, every_s=1)
    assert story.standing == []
    _draw(story, (16.0, 0.0, 16.0), samples=11, every_s=1)
    assert len(story.standing) == 1


@pytest.mark.parametrize(
    "then",
    [(16.0, 0.0, 0.0), (0.0, 0.0, 0.0), (5.0, 0.4, 5.0), (16.0, 3.0, 16.0)],
    ids=["phases_switched_off", "pause", "taper", "unequal"],
)
def test_look_alikes_never_fire(story: Story, then: tuple[float, float, float]) -> None:
    for number in range(4):
        _session(story, str(number), f"CARD{number}", ALL, then)
    assert story.kinds() == []


def test_one_phase_cars_never_fire(story: Story) -> None:
    for number in range(5):
        _session(story, str(number), f"CARD{number}", (31.0, 0.0, 0.0))
    assert story.kinds() == []


def test_a_two_phase_car_never_fires(story: Story) -> None:
    for number in range(5):
        _session(story, str(number), "CARD", (16.0, 16.0, 0.0))
    _session(story, "9", "OTHER", (16.0, 16.0, 0.0))
    assert story.kinds() == []


def test_two_phase_cars_where_others_took_three_never_fire(story: Story) -> None:
    for number in range(3):
        _session(story, str(number), f"CARD{number}", ALL)
    for number in range(3, 12):
        _session(story, str(number), f"CARD{number}", (16.0, 16.0, 0.0))
    assert story.kinds() == []


def test_a_phase_that_no_car_leaves_out_is_missing_for_two_vehicles_and_fires(story: Story) -> None:
    _session(story, "1", "A", (0.0, 16.0, 16.0))
    assert story.standing == []
    _session(story, "2", "B", (0.0, 16.0, 16.0))
    (finding,) = story.standing
    assert finding.evidence[-1].value == "2"


def test_one_vehicle_that_used_the_phase_here_before_is_enough_where_no_car_leaves_it_out(story: Story) -> None:
    _session(story, "1", "A", ALL)
    _session(story, "2", "B", (16.0, 0.0, 16.0))
    assert story.standing == []
    _session(story, "3", "B", ALL)
    _session(story, "4", "A", (16.0, 0.0, 16.0))
    assert len(story.standing) == 1


def test_the_third_phase_fires_when_vehicles_that_used_it_here_miss_it_among_others(story: Story) -> None:
    for vehicle in "ABC":
        _session(story, vehicle, vehicle, ALL)
    for number, vehicle in enumerate("XYZAB"):
        _session(story, str(number), vehicle, (16.0, 16.0, 0.0))
    assert story.standing == []
    _session(story, "9", "C", (16.0, 16.0, 0.0))
    (finding,) = story.standing
    assert finding.evidence[-1].value == "6"


def test_a_vehicle_on_all_phases_between_them_speaks_for_the_station(story: Story) -> None:
    for number in range(6):
        _session(story, str(number), f"CARD{number}", ALL if number % 2 else (0.0, 16.0, 16.0))
    assert story.kinds() == []


def test_a_phase_without_voltage_fires_after_ten_seconds(story: Story) -> None:
    _draw(story, (0.0, 0.0, 0.0), samples=3, every_s=5, transaction="")
    _draw(story, (0.0, 0.0, 0.0), samples=2, every_s=5, volts=(231.0, 3.0, 230.0), transaction="")
    assert story.standing == []
    _draw(story, (0.0, 0.0, 0.0), samples=1, every_s=5, volts=(231.0, 14.0, 230.0), transaction="")
    (finding,) = story.standing
    assert (finding.evidence[0].label, finding.evidence[0].value) == ("Voltage L2", "3 V")


@pytest.mark.parametrize("volts", [(230.0, 0.0, 0.0), (0.0, 0.0, 0.0)], ids=["two_phases", "all"])
def test_more_than_one_phase_without_voltage_is_something_else(
    story: Story, volts: tuple[float, float, float]
) -> None:
    _draw(story, (0.0, 0.0, 0.0))
    _draw(story, (0.0, 0.0, 0.0), volts=volts)
    assert story.kinds() == []


def test_a_station_that_never_had_the_phase_never_fires(story: Story) -> None:
    for number in range(5):
        story.start(str(number), f"CARD{number}")
        _draw(story, (16.0, 0.0, 16.0), volts=(231.0, 0.0, 230.0), transaction=str(number))
        story.stop(str(number))
    assert story.kinds() == []


def test_a_single_zero_never_fires(story: Story) -> None:
    story.start("1")
    _draw(story, ALL)
    _draw(story, (16.0, 0.0, 16.0), samples=1, volts=(231.0, 0.0, 230.0))
    _draw(story, ALL)
    assert story.kinds() == []


def test_clears_when_the_phase_carries_current_again(story: Story) -> None:
    _session(story, "1", "A", ALL, (16.0, 0.0, 16.0))
    _session(story, "2", "B", (30.0, 0.0, 0.0))
    assert len(story.standing) == 1
    _session(story, "3", "C", *[ALL] * 17)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_a_report_of_undervoltage_is_put_under_it() -> None:
    story = Story(make_engine(rules=RULES))
    story.connect()
    _draw(story, (0.0, 0.0, 0.0), transaction="")
    story.status(ConnectorState.FAULTED, "UnderVoltage")
    story.wait(90)
    assert [finding.fault for finding in story.standing] == ["reported_fault"]
    _draw(story, (0.0, 0.0, 0.0), volts=(231.0, 3.0, 230.0), transaction="")
    assert [finding.fault for finding in story.standing] == ["phase_loss"]
