"""meter_jump: a register that leaps ahead, and gaps, queues, zeros and shared meters that only look like it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from detector.changes import ChangeKind
from detector.rules import meter_jump
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

STATION = Station(
    station_id="SE-1",
    max_power_w=22_000,
    current="AC",
    connectors=(Connector(connector_id=1, max_power_w=11_000), Connector(connector_id=2, max_power_w=11_000)),
)


@pytest.fixture
def story() -> Story:
    story = Story(make_engine([STATION], rules=(meter_jump.RULE,)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    return story


def _charge(
    story: Story, transaction: str, registers: Sequence[float], *, every_s: float = 60, connector_id: int = 1
) -> None:
    story.status(ConnectorState.PREPARING, connector_id=connector_id)
    story.start(transaction, f"CARD-{transaction}", connector_id=connector_id)
    story.status(ConnectorState.CHARGING, connector_id=connector_id)
    for energy_wh in registers:
        story.wait(every_s)
        story.measure(transaction=transaction, energy_wh=energy_wh, connector_id=connector_id)
    story.wait(every_s)
    story.stop(transaction)
    story.status(ConnectorState.AVAILABLE, connector_id=connector_id)


@pytest.mark.parametrize("every_s", [1.0, 60.0])
def test_a_leap_that_stays_for_two_more_samples_fires(story: Story, every_s: float) -> None:
    story.start("1")
    for energy_wh in (10_000, 10_180, 14_000, 14_180):
        story.measure(transaction="1", energy_wh=energy_wh)
        story.wait(every_s)
    assert story.standing == []
    story.measure(transaction="1", energy_wh=14_360)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("meter_jump", Severity.P2, "station")
    assert "leapt ahead by 3.8 kWh" in finding.explanation


def test_one_more_sample_is_enough_minutes_later(story: Story) -> None:
    story.start("1")
    for energy_wh in (10_000, 10_900, 74_000):
        story.measure(transaction="1", energy_wh=energy_wh)
        story.wait(300)
    assert story.standing == []
    story.measure(transaction="1", energy_wh=74_900)
    assert [finding.fault for finding in story.standing] == ["meter_jump"]


@pytest.mark.parametrize("every_s", [60.0, 300.0, 900.0])
def test_what_was_read_wrong_once_never_fires(story: Story, every_s: float) -> None:
    registers = [10_000, 10_100, 900_000, 10_200, 10_300, 900_000, 10_400, 10_500, 10_600, 10_700]
    _charge(story, "1", registers, every_s=every_s)
    assert story.kinds() == []


def test_a_leap_between_two_sessions_fires(story: Story) -> None:
    _charge(story, "1", [10_000, 10_180, 10_360])
    story.wait(6 * 3600)
    _charge(story, "2", [14_000, 14_180, 14_360])
    assert story.kinds() == [ChangeKind.RAISED]


def test_what_can_have_flowed_never_fires(story: Story) -> None:
    _charge(story, "1", [10_000, 10_000, 10_200, 10_550, 10_600])
    _charge(story, "2", [10_700, 25_000, 40_000, 55_000], every_s=3600)
    assert story.kinds() == []


def test_a_day_without_a_link_may_have_brought_anything(story: Story) -> None:
    _charge(story, "1", [10_000, 10_180, 10_360])
    story.disconnect()
    story.wait(24 * 3600)
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    _charge(story, "2", [200_000, 200_180, 200_360])
    assert story.kinds() == []


def test_a_queue_that_is_emptied_never_fires(story: Story) -> None:
    story.start("1")
    begun = story.now
    story.measure(transaction="1", energy_wh=10_000)
    story.wait(4 * 3600)
    for minute in range(0, 240, 20):
        story.measure(transaction="1", at=begun + timedelta(minutes=minute), energy_wh=10_000 + minute * 180)
    for energy_wh in (53_000, 53_100, 53_200):
        story.measure(transaction="1", energy_wh=energy_wh)
        story.wait(60)
    assert story.kinds() == []


def test_a_clock_that_is_set_back_never_fires(story: Story) -> None:
    story.start("1")
    story.wait(3600)
    story.measure(transaction="1", energy_wh=10_000)
    begun = story.now
    story.wait(7200)
    for minute in (1, 2, 3):  # two hours have passed, the station says minutes
        story.measure(transaction="1", at=begun + timedelta(minutes=116 + minute), energy_wh=30_000 + minute)
    assert story.kinds() == []


def test_a_register_that_stood_still_while_the_vehicle_charged_may_catch_up(story: Story) -> None:
    _charge(story, "1", [10_000, 10_180, *[10_180] * 30, 15_700, 15_880, 16_060, 16_240])
    assert story.kinds() == []


def test_a_register_that_had_fallen_may_be_set_right(story: Story) -> None:
    _charge(story, "1", [90_000, 90_180, 90_360])
    for number in (2, 3):
        _charge(story, str(number), [70_000 + 600 * number + 180 * minute for minute in range(4)])
    _charge(story, "4", [93_000 + 180 * minute for minute in range(4)])
    assert story.kinds() == []


def test_a_register_that_begins_anew_with_each_session_leaps_all_the_same(story: Story) -> None:
    for number in range(3):
        _charge(story, str(number), [180 * minute for minute in range(40)])
        story.wait(3600)
    _charge(story, "9", [0, 180, 360, 540, 5000, 5180, 5360])
    assert story.kinds() == [ChangeKind.RAISED]


def test_single_zeros_and_single_spikes_never_fire(story: Story) -> None:
    _charge(story, "1", [10_000, 0, 10_200, 0, 0, 10_400, 900_000, 10_600, 10_700, 10_800, 10_900])
    assert story.kinds() == []


def test_registers_that_count_per_session_never_fire(story: Story) -> None:
    for transaction in ("1", "2", "3"):
        _charge(story, transaction, [0, 180, 360, 540, 700])
        story.wait(3600)
    assert story.kinds() == []


def test_two_registers_in_turn_never_fire(story: Story) -> None:
    _charge(story, "1", [4_076_000, 100, 4_076_100, 200, 4_076_200, 300])
    assert story.kinds() == []


def test_a_meter_shared_with_the_neighbour_never_fires(story: Story) -> None:
    story.status(ConnectorState.AVAILABLE, connector_id=2)
    _charge(story, "1", [10_000, 10_180, 10_360])
    _charge(story, "2", [10_400, 20_000, 29_000], connector_id=2, every_s=3600)
    _charge(story, "3", [29_100, 29_300, 29_500])
    assert story.kinds() == []


def test_more_than_the_neighbour_charged_fires_whoevers_meter_it_is(story: Story) -> None:
    story.status(ConnectorState.AVAILABLE, connector_id=2)
    _charge(story, "0", [500_000, 500_000, 500_000], connector_id=2)
    _charge(story, "1", [10_000, 10_180, 10_360])
    _charge(story, "2", [500_000, 509_000, 518_000], connector_id=2, every_s=3600)
    _charge(story, "3", [49_000, 49_100, 49_200])
    assert story.kinds() == [ChangeKind.RAISED]


def test_a_leap_of_an_idle_meter_fires(story: Story) -> None:
    _charge(story, "1", [10_000, 10_180, 10_360])
    for energy_wh in (10_400, 10_400, 14_400, 14_400, 14_400):
        story.wait(900)
        story.measure(energy_wh=energy_wh, context="Sample.Clock")
    assert story.kinds() == [ChangeKind.RAISED]


def test_another_meter_that_is_read_while_idle_never_fires(story: Story) -> None:
    for number in range(3):
        _charge(story, f"{number}", [10_000 + 500 * number + 100 * sample for sample in range(5)])
        for _ in range(5):
            story.wait(900)
            story.measure(energy_wh=4_000_000, context="Sample.Clock")
    assert story.kinds() == []


def test_two_good_sessions_clear(story: Story) -> None:
    _charge(story, "1", [10_000, 50_000, 50_100, 50_200])
    _charge(story, "2", [50_300, 50_400, 50_500])
    assert story.kinds() == [ChangeKind.RAISED]
    _charge(story, "3", [50_600, 50_700, 50_800])
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_a_station_that_no_file_rates_is_held_to_what_any_may_give() -> None:
    story = Story(make_engine(rules=(meter_jump.RULE,)))
    _charge(story, "1", [10_000, 11_500, 13_000, 14_000, 15_000])
    assert story.kinds() == []
    _charge(story, "2", [15_000, 60_000, 61_000, 62_000])
    assert story.kinds() == [ChangeKind.RAISED]
