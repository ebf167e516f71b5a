"""meter_frozen: a register that stands while power flows, and the habits of meters and vehicles that are none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from detector.changes import ChangeKind
from detector.rules import meter_frozen
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine


@pytest.fixture
def story() -> Story:
    return Story(make_engine(rules=(meter_frozen.RULE,)))


def _charge(
    story: Story, transaction: str, registers: Sequence[float], *, every_s: float = 60, **values: float
) -> None:
    story.start(transaction, f"CARD-{transaction}")
    for energy_wh in registers:
        story.wait(every_s)
        story.measure(transaction=transaction, energy_wh=energy_wh, **values)
    story.wait(every_s)
    story.stop(transaction)


@pytest.mark.parametrize("every_s", [1.0, 60.0])
def test_a_register_that_stands_while_power_flows_fires(story: Story, every_s: float) -> None:
    story.start("1")
    story.measure(transaction="1", energy_wh=10_001, power_w=7000)
    story.wait(60)
    for _ in range(round(300 / every_s)):
        story.measure(transaction="1", energy_wh=10_123, power_w=7000)
        story.wait(every_s)
    assert story.standing == []
    story.measure(transaction="1", energy_wh=10_123, power_w=7000)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("meter_frozen", Severity.P2, "station")
    assert "stood still for 5 min while 0.6 kWh flowed" in finding.explanation


def test_a_register_that_never_counts_from_the_start_fires(story: Story) -> None:
    _charge(story, "1", [10_123] * 7, current_l1_a=16.0, voltage_l1_v=230.0)
    assert story.kinds() == [ChangeKind.RAISED]


def test_a_dead_line_to_the_meter_is_seen_by_a_device_beside_it(story: Story) -> None:
    story.start("1")
    for _ in range(8):
        story.wait(60)
        story.measure(source="mqtt", power_w=7000)
        story.measure(transaction="1", energy_wh=10_123, power_w=0)
    assert [finding.fault for finding in story.standing] == ["meter_frozen"]


def test_power_that_moves_meanwhile_tells_a_dead_register_from_a_dead_line(story: Story) -> None:
    story.start("1")
    for watts in (6900, 7000, 6950, 7000, 6900, 6990, 7000):
        story.wait(60)
        story.measure(transaction="1", energy_wh=10_123, power_w=watts)
    (finding,) = story.standing
    assert finding.probable_cause == meter_frozen.STOPPED


def test_a_line_that_dies_repeats_itself_but_for_its_last_answer(story: Story) -> None:
    story.start("1")
    for watts in (6900, 7000, 7000, None, None, None, 7000, 7000, 7000, 7000, 7000, 7000):
        story.wait(60)
        values = {} if watts is None else {"power_w": float(watts)}
        story.measure(transaction="1", energy_wh=10_123, **values)
    (finding,) = story.standing
    assert finding.probable_cause != meter_frozen.STOPPED


def test_a_coarse_register_is_given_its_time(story: Story) -> None:
    _charge(story, "1", [10_000] * 8 + [11_000] * 8 + [12_000] * 8, power_w=7000)
    assert story.kinds() == []


def test_a_register_known_to_be_fine_is_not_taken_for_coarse_at_a_round_number(story: Story) -> None:
    _charge(story, "1", [9_870, 9_990], power_w=7000)
    _charge(story, "2", [10_000] * 7, power_w=7000)
    assert story.kinds() == [ChangeKind.RAISED]


def test_a_pause_and_a_full_battery_never_fire(story: Story) -> None:
    _charge(story, "1", [10_123] * 60, power_w=0)
    _charge(story, "2", [10_123] * 60, power_w=300)
    assert story.kinds() == []


def test_power_worked_out_from_the_register_proves_nothing(story: Story) -> None:
    _charge(story, "1", [10_000, 10_117, *[10_117] * 20])
    assert story.kinds() == []


def test_two_samples_an_hour_apart_prove_nothing(story: Story) -> None:
    _charge(story, "1", [10_123, 10_123], every_s=3600, power_w=7000)
    assert story.kinds() == []


def test_two_sessions_that_count_clear(story: Story) -> None:
    _charge(story, "1", [10_123] * 8, power_w=7000)
    _charge(story, "2", [10_123, 10_423, 10_723], power_w=7000)
    assert story.kinds() == [ChangeKind.RAISED]
    _charge(story, "3", [10_723, 11_023, 11_323], power_w=7000)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_a_session_that_freezes_again_clears_nothing(story: Story) -> None:
    _charge(story, "1", [10_123] * 8, power_w=7000)
    for transaction in ("2", "3"):
        _charge(story, transaction, [10_123, 11_123, *[11_323] * 8], power_w=7000)
    assert story.kinds() == [ChangeKind.RAISED]


def test_values_of_another_transaction_and_of_queues_do_not_count(story: Story) -> None:
    begun = story.now
    story.wait(3600)
    story.start("1")
    for _ in range(10):
        story.wait(60)
        story.measure(transaction="1", at=begun, energy_wh=10_123, power_w=7000)
        story.measure(transaction="0815", energy_wh=10_123, power_w=7000)
    assert story.kinds() == []
