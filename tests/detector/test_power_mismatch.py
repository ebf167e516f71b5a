"""power_mismatch: volts, amperes and watts that contradict each other, and units that always did."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.rules import power_mismatch
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

THREE = {f"voltage_l{phase}_v": 230.0 for phase in (1, 2, 3)}


@pytest.fixture
def story() -> Story:
    return Story(make_engine(rules=(power_mismatch.RULE,)))


def _charge(
    story: Story, transaction: str, ratio: float, *, amps: float = 16.0, samples: int = 6, every_s: float = 60
) -> None:
    """Three phases; power is `ratio` times volts times amperes."""
    currents = {f"current_l{phase}_a": amps for phase in (1, 2, 3)}
    story.start(transaction, f"CARD-{transaction}")
    for _ in range(samples):
        story.wait(every_s)
        story.measure(transaction=transaction, power_w=ratio * 3 * 230 * amps, **currents, **THREE)
    story.stop(transaction)


def _agree(story: Story) -> None:
    for transaction in ("a", "b"):
        _charge(story, transaction, 0.98)


def test_more_power_than_volts_times_amperes_fires_with_one_vehicle(story: Story) -> None:
    _agree(story)
    _charge(story, "1", 1.15)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("power_mismatch", Severity.P3, "station")
    assert "15 % more power" in finding.explanation


def test_less_power_fires_with_two_vehicles(story: Story) -> None:
    _agree(story)
    _charge(story, "1", 0.8)
    assert story.standing == []
    _charge(story, "2", 0.82)
    assert [finding.fault for finding in story.standing] == ["power_mismatch"]


def test_one_vehicle_with_a_low_power_factor_never_fires(story: Story) -> None:
    _agree(story)
    for number in range(3):
        story.start(f"{number}", "CARD-OLD")
        for _ in range(8):
            story.wait(60)
            story.measure(transaction=f"{number}", power_w=0.85 * 3680, current_l1_a=16.0, voltage_l1_v=230.0)
        story.stop(f"{number}")
    assert story.kinds() == []


def test_a_power_factor_that_is_said_explains_it(story: Story) -> None:
    _agree(story)
    for transaction in ("1", "2", "3"):
        story.start(transaction, f"CARD-{transaction}")
        for _ in range(8):
            story.wait(60)
            story.measure(
                transaction=transaction, power_w=0.8 * 3680, current_a=16.0, voltage_v=230.0, power_factor=0.8
            )
        story.stop(transaction)
    assert story.kinds() == []


@pytest.mark.parametrize("factor", [1 / 3, 3**-0.5, 3**0.5, 3.0, 1000.0, 0.8])
def test_units_and_phase_sums_that_never_agreed_never_fire(story: Story, factor: float) -> None:
    for number in range(6):
        _charge(story, f"{number}", factor, amps=32.0)
    assert story.kinds() == []


def test_power_of_one_phase_only_agrees_for_one_phase_cars_and_never_fires(story: Story) -> None:
    for number in range(4):
        story.start(f"one{number}", f"CARD-{number}")
        for _ in range(8):
            story.wait(60)
            story.measure(transaction=f"one{number}", power_w=3680, current_l1_a=16.0, **THREE)
        story.stop(f"one{number}")
        _charge(story, f"three{number}", 1 / 3)
    assert story.kinds() == []


def test_four_samples_or_a_few_seconds_prove_nothing(story: Story) -> None:
    _agree(story)
    for number in range(4):
        _charge(story, f"few{number}", 1.5, samples=4)
        _charge(story, f"quick{number}", 1.5, samples=30, every_s=1)
    assert story.kinds() == []


def test_one_sample_a_second_fires_after_a_minute(story: Story) -> None:
    _agree(story)
    _charge(story, "1", 1.5, samples=62, every_s=1)
    assert story.kinds() == [ChangeKind.RAISED]


def test_without_voltage_or_with_little_current_nothing_is_judged(story: Story) -> None:
    _agree(story)
    story.start("1")
    for _ in range(10):
        story.wait(60)
        story.measure(transaction="1", power_w=11_000, current_l1_a=30.0)
        story.measure(transaction="1", power_w=2000, current_l1_a=3.0, voltage_l1_v=230.0)
        story.measure(transaction="1", power_w=300, current_l1_a=8.0, voltage_l1_v=230.0)
    assert story.kinds() == []


def test_new_firmware_begins_anew(story: Story) -> None:
    _agree(story)
    view = story.engine.view("SE-1")
    assert view is not None
    view.firmware = "2.0"
    _charge(story, "1", 3.0)
    assert story.kinds() == []


def test_two_sessions_that_agree_clear(story: Story) -> None:
    _agree(story)
    _charge(story, "1", 1.3)
    _charge(story, "2", 1.0)
    assert story.kinds() == [ChangeKind.RAISED]
    _charge(story, "3", 1.0)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]
