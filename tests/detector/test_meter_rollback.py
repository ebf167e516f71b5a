"""meter_rollback: a register that falls and stays down, and the habits of registers that are none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.changes import ChangeKind
from detector.rules import meter_rollback
from laddvakt.domain.facts import TransactionStarted
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine


@pytest.fixture
def story() -> Story:
    return Story(make_engine(rules=(meter_rollback.RULE,)))


def _charge(story: Story, transaction: str, registers: list[float], **how: str) -> None:
    story.start(transaction, f"CARD-{transaction}")
    for energy_wh in registers:
        story.wait(60)
        story.measure(transaction=transaction, energy_wh=energy_wh, **how)
    story.wait(60)
    story.stop(transaction)


def test_a_fall_that_stays_down_for_two_more_samples_fires(story: Story) -> None:
    story.start("1")
    for energy_wh in (10_000, 10_500, 9_000, 9_100):
        story.measure(transaction="1", energy_wh=energy_wh)
        story.wait(60)
    assert story.standing == []
    story.measure(transaction="1", energy_wh=9_200)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("meter_rollback", Severity.P2, "station")
    assert [item.value for item in finding.evidence[:2]] == ["10500 Wh", "9000 Wh"]
    assert "1500 Wh" in finding.explanation


def test_a_register_for_life_that_falls_between_sessions_fires(story: Story) -> None:
    for number in range(4):
        _charge(story, str(number), [10_000 + 1_000 * number + wh for wh in (0, 400, 900)])
    assert story.standing == []
    _charge(story, "9", [9_000, 9_400, 9_800])
    (finding,) = story.standing
    assert [item.value for item in finding.evidence[:2]] == ["13900 Wh", "9000 Wh"]


def test_the_reading_at_the_start_is_the_first_that_is_low(story: Story) -> None:
    for number in range(4):
        _charge(story, str(number), [10_000 + 1_000 * number + wh for wh in (0, 400, 900)])
    story.start("9", "CARD-9", meter_wh=9_000)
    story.wait(60)
    for energy_wh in (9_100, 9_200):
        assert story.standing == []
        story.measure(transaction="9", energy_wh=energy_wh)
        story.wait(60)
    assert len(story.standing) == 1


def test_a_register_that_begins_far_from_zero_counts_for_life_from_the_first_session_on(story: Story) -> None:
    _charge(story, "1", [16_000, 16_400, 16_900])
    story.start("2", "CARD-2", meter_wh=13_600)
    for energy_wh in (13_700, 13_900):
        story.wait(60)
        story.measure(transaction="2", energy_wh=energy_wh)
    assert len(story.standing) == 1


def test_a_station_that_boots_between_sessions_may_begin_anew(story: Story) -> None:
    for number in range(5):
        _charge(story, str(number), [10_000 + 1_000 * number + wh for wh in (0, 400, 900)])
    story.boot()
    _charge(story, "9", [0, 400, 900])
    assert story.kinds() == []


def test_sessions_too_short_to_tell_say_nothing_of_registers_for_life(story: Story) -> None:
    for number, end_wh in enumerate((10, 20, 30, 40, 50, 60)):
        _charge(story, str(number), [end_wh, end_wh + 1, end_wh + 2])
    _charge(story, "9", [5, 6, 7])
    assert story.kinds() == []


def test_a_fall_that_a_fast_charger_makes_good_at_the_next_sample_fires(story: Story) -> None:
    _charge(story, "1", [10_000, 11_600, 13_200, 12_800, 14_400, 16_000])
    (finding,) = story.standing
    assert [item.value for item in finding.evidence[:2]] == ["13200 Wh", "12800 Wh"]


@pytest.mark.parametrize(
    "registers",
    [[10_000, 11_600, 11_500, 14_800, 16_400, 18_000], [10_000, 11_600, 11_500, 11_500, 16_400, 18_000, 19_600]],
    ids=["one", "two"],
)
def test_samples_that_were_a_little_low_never_fire(story: Story, registers: list[float]) -> None:
    _charge(story, "1", registers)
    assert story.kinds() == []


def test_a_single_zero_never_fires(story: Story) -> None:
    _charge(story, "1", [10_000, 10_500, 0, 10_600, 0, 0, 10_700, 10_800])
    assert story.kinds() == []


def test_registers_that_count_per_session_never_fire(story: Story) -> None:
    for transaction in ("1", "2", "3"):
        _charge(story, transaction, [100, 5_000, 9_000])
    assert story.kinds() == []


def test_two_registers_in_turn_never_fire(story: Story) -> None:
    _charge(story, "1", [4_076_000, 100, 4_076_100, 200, 4_076_200, 300])
    assert story.kinds() == []


def test_samples_out_of_order_never_fire(story: Story) -> None:
    story.start("1")
    begun = story.now
    story.wait(600)
    for minute in (6, 7, 8, 2, 3, 4, 9):
        story.measure(transaction="1", at=begun + timedelta(minutes=minute), energy_wh=10_000 + minute * 100)
    assert story.kinds() == []


def test_a_register_per_boot_never_fires(story: Story) -> None:
    story.start("1")
    for energy_wh in (10_000, 10_500):
        story.wait(60)
        story.measure(transaction="1", energy_wh=energy_wh)
    story.boot()
    for energy_wh in (0, 100, 200, 300):
        story.wait(60)
        story.measure(transaction="1", energy_wh=energy_wh)
    assert story.kinds() == []


def test_begin_and_end_readings_are_another_matter(story: Story) -> None:
    story.start("1")
    story.measure(transaction="1", energy_wh=10_000)
    for _ in range(4):
        story.wait(60)
        story.measure(transaction="1", energy_wh=0, context="Transaction.Begin")
    assert story.kinds() == []


def test_the_inlet_meter_and_a_device_are_other_meters(story: Story) -> None:
    story.start("1")
    story.measure(transaction="1", energy_wh=10_000)
    for _ in range(4):
        story.wait(60)
        story.measure(transaction="1", energy_wh=500, location="Inlet")
        story.measure(transaction="1", energy_wh=500, source="mqtt")
    assert story.kinds() == []


def test_rounding_never_fires(story: Story) -> None:
    _charge(story, "1", [10_005, 10_000, 10_000, 10_000, 10_001])
    assert story.kinds() == []


def _idle(story: Story, *registers: float) -> None:
    for energy_wh in registers:
        story.wait(900)
        story.measure(energy_wh=energy_wh)


def _for_life(story: Story) -> None:
    """Four sessions that go on where the one before ended, at 13 900 Wh at last."""
    for number in range(4):
        _charge(story, str(number), [10_000 + 1_000 * number + wh for wh in (0, 400, 900)])


def test_a_register_that_falls_while_idle_does_not_wait_for_the_next_vehicle(story: Story) -> None:
    _for_life(story)
    _idle(story, 13_900, 13_900, 9_000, 9_000)
    assert story.standing == []
    _idle(story, 9_000)
    (finding,) = story.standing
    assert [item.value for item in finding.evidence[:2]] == ["13900 Wh", "9000 Wh"]


@pytest.mark.parametrize(
    "registers",
    [
        pytest.param((13_900, 0, 13_900, 0, 13_900), id="single zeros"),
        pytest.param((40, 40, 40, 40), id="another meter"),
        pytest.param((13_900, 13_895, 13_895, 13_895), id="rounding"),
    ],
)
def test_what_an_idle_meter_may_say_never_fires(story: Story, registers: tuple[float, ...]) -> None:
    _for_life(story)
    _idle(story, *registers)
    assert story.kinds() == []


def test_a_start_that_is_told_late_is_not_held_against_what_flowed_meanwhile(story: Story) -> None:
    _for_life(story)
    _idle(story, 13_900, 13_900)
    began = story.now
    for energy_wh in (13_960, 14_016):  # it charges; the start is still on its way
        story.wait(60)
        story.measure(energy_wh=energy_wh)
    start = TransactionStarted(at=began, connector_id=1, transaction_id="9", id_tag="CARD", meter_start_wh=13_900)
    story.say(start)
    for energy_wh in (14_072, 14_128, 14_184, 14_240):
        story.wait(60)
        story.measure(transaction="9", energy_wh=energy_wh)
    assert story.kinds() == []


def test_a_register_per_session_that_is_read_while_idle_never_fires(story: Story) -> None:
    for number in range(6):
        _charge(story, str(number), [0, 400, 900])
        _idle(story, 900, 0, 0, 0)
    assert story.kinds() == []


def _fast(story: Story, number: int, start_wh: int) -> None:
    """5 kWh in each five minutes; what flowed since the last sample shows in the reading at the end."""
    story.start(str(number), f"CARD-{number}", meter_wh=start_wh)
    for sample in (1, 2, 3):
        story.wait(300)
        story.measure(transaction=str(number), energy_wh=start_wh + 5000 * sample)
    story.wait(120)
    story.stop(str(number), meter_wh=start_wh + 17_000)
    story.wait(3600)


def test_a_fall_since_the_reading_at_the_end_shows_at_the_next_start(story: Story) -> None:
    for number in range(4):
        _fast(story, number, 100_000 + 17_000 * number)
    assert story.standing == []
    _fast(story, 9, 167_500)
    (finding,) = story.standing
    assert [item.value for item in finding.evidence[:2]] == ["168000 Wh", "167500 Wh"]


def test_starts_that_are_always_low_are_a_habit(story: Story) -> None:
    for number in range(6):
        _fast(story, number, 100_000 + 16_500 * number)
    assert story.kinds() == []


def test_two_good_sessions_clear(story: Story) -> None:
    _charge(story, "1", [10_000, 9_000, 9_100, 9_200])
    _charge(story, "2", [9_300, 9_400, 9_500, 9_600, 9_700])
    assert story.kinds() == [ChangeKind.RAISED]
    _charge(story, "3", [9_700, 9_800, 9_900, 10_000])
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_a_short_session_clears_nothing(story: Story) -> None:
    _charge(story, "1", [10_000, 9_000, 9_100, 9_200])
    for transaction in ("2", "3", "4"):
        _charge(story, transaction, [9_300])
    assert story.kinds() == [ChangeKind.RAISED]
