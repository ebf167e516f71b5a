"""Windows of charging: five steady minutes become ratios; ramps, tapers, pauses and queues become nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from detector.features import FEATURES, RAMP, WINDOW, Window
from detector.view import ScoredWindow
from laddvakt.domain.stations import Connector, ConnectorState, Station
from tests.support.detector import START, Story, make_engine


class Gathered:
    """A watch that keeps what it is given."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.suspects: list[bool] = []

    def take_all(self, windows: Sequence[Window], suspects: Sequence[bool]) -> list[ScoredWindow | None]:
        return [self.take(window, suspect=suspect) for window, suspect in zip(windows, suspects, strict=True)]

    def take(self, window: Window, *, suspect: bool) -> ScoredWindow | None:
        self.windows.append(window)
        self.suspects.append(suspect)
        return None


@pytest.fixture
def gathered() -> Gathered:
    return Gathered()


@pytest.fixture
def story(gathered: Gathered) -> Story:
    told = Story(make_engine([Station(station_id="SE-1", current="AC", model="One")], watch=gathered))
    told.boot()
    return told


AC = {
    "power_w": 10_900.0,
    "current_l1_a": 16.0,
    "current_l2_a": 16.0,
    "current_l3_a": 16.0,
    "voltage_l1_v": 230.0,
    "voltage_l2_v": 231.0,
    "voltage_l3_v": 229.0,
}


def charge(story: Story, minutes: int, *, every_s: int = 30, transaction: str = "1", **values: float) -> None:
    energy_wh = 0.0
    for _ in range(minutes * 60 // every_s):
        story.wait(every_s)
        energy_wh += values.get("power_w", 0.0) * every_s / 3600
        story.measure(transaction=transaction, energy_wh=energy_wh, **values)


def test_a_steady_stretch_is_ratios_in_its_context(story: Story, gathered: Gathered) -> None:
    story.start("1", "A")
    charge(story, 21, **AC)
    window = gathered.windows[0]
    assert len(gathered.windows) == 3
    assert (window.connector, window.kind, window.model, window.vehicle) == ("SE-1/1", "AC", "Acme One", "tok_a")
    assert window.context.phases == 3
    assert window.values["watts_per_amp"] == pytest.approx(10_900 / 48)
    assert window.values["power_balance"] == pytest.approx(10_900 / (16 * 690))
    assert window.values["register_balance"] == pytest.approx(1.0)
    assert window.values["voltage_unbalance"] == pytest.approx(100 / 230)
    assert window.values["current_unbalance"] == 0
    assert window.values["power_ripple"] == pytest.approx(0, abs=1e-6)
    assert "plug_heat" not in window.values


def test_the_first_minutes_are_left_out(story: Story, gathered: Gathered) -> None:
    story.start("1")
    charge(story, 11, **AC)
    assert all(window.start >= START + RAMP for window in gathered.windows)


def test_windows_begin_on_the_clock(story: Story, gathered: Gathered) -> None:
    story.wait(77)
    story.start("1")
    charge(story, 21, **AC)
    assert {window.start.timestamp() % WINDOW.total_seconds() for window in gathered.windows} == {0}


def test_a_taper_is_not_judged(story: Story, gathered: Gathered) -> None:
    story.start("1")
    for step in range(60):
        story.wait(30)
        amperes = 32 * 0.93**step
        story.measure(transaction="1", power_w=230 * amperes, current_l1_a=amperes)
    assert gathered.windows == []


@pytest.mark.parametrize("amperes", [0.0, 2.0])
def test_no_charging_is_no_window(story: Story, gathered: Gathered, amperes: float) -> None:
    story.start("1")
    charge(story, 20, power_w=230 * amperes, current_l1_a=amperes)
    assert gathered.windows == []


def test_one_phase_of_three_is_its_own_context(story: Story, gathered: Gathered) -> None:
    story.start("1")
    charge(story, 20, **AC | {"current_l2_a": 0.0, "current_l3_a": 0.0, "power_w": 3_680.0})
    assert gathered.windows[0].context.phases == 1
    assert "current_unbalance" not in gathered.windows[0].values
    assert gathered.windows[0].values["power_balance"] == pytest.approx(1.0)


def test_direct_current_by_its_totals(gathered: Gathered) -> None:
    story = Story(make_engine(watch=gathered))
    story.start("1")
    charge(story, 20, power_w=40_000, current_a=100, voltage_v=400, soc_pct=45)
    window = gathered.windows[0]
    assert (window.kind, window.context.soc_bin) == ("DC", 1)
    assert window.values["power_balance"] == pytest.approx(1.0)
    assert not {"voltage_level", "watts_per_amp"} & window.values.keys()  # the battery's


@pytest.mark.parametrize(("offered", "excess"), [(32.0, 0.0), (12.8, 0.25)])
def test_only_what_is_beyond_the_offer_counts(
    story: Story, gathered: Gathered, offered: float, excess: float
) -> None:
    story.start("1")
    charge(story, 20, **AC, current_offered_a=offered)
    assert gathered.windows[0].values["offer_excess"] == pytest.approx(excess)


def test_one_current_that_may_be_three_phases_sum_exceeds_no_offer(story: Story, gathered: Gathered) -> None:
    story.start("1")
    charge(story, 20, power_w=10_900.0, current_a=48.0, voltage_v=230.0, current_offered_a=16.0)
    assert "offer_excess" not in gathered.windows[0].values


@pytest.mark.parametrize("factor", [0.001, 1000.0])
def test_power_in_another_unit_is_held_against_nothing(story: Story, gathered: Gathered, factor: float) -> None:
    """A station that writes kilowatts and calls them watts."""
    story.start("1")
    charge(story, 20, **AC | {"power_w": 10_900.0 * factor})
    of_power = {"power_balance", "watts_per_amp", "power_ripple", "register_balance"}
    assert gathered.windows[0].values.keys() & of_power == set()
    assert "current_ripple" in gathered.windows[0].values


@pytest.mark.parametrize(("step_wh", "told"), [(1, True), (10, True), (100, False)])
def test_a_register_of_coarse_steps_is_not_held_against_little_power(
    story: Story, gathered: Gathered, step_wh: int, told: bool
) -> None:
    """100 Wh of the 900 Wh that five minutes bring are eleven percent."""
    story.start("1")
    energy_wh = 123_401.0
    for _ in range(40):
        story.wait(30)
        energy_wh += AC["power_w"] * 30 / 3600
        story.measure(transaction="1", energy_wh=energy_wh // step_wh * step_wh, **AC)
    assert ("register_balance" in gathered.windows[0].values) is told


def test_a_register_that_stands_still_is_held_against_power(story: Story, gathered: Gathered) -> None:
    story.start("1")
    for _ in range(40):
        story.wait(30)
        story.measure(transaction="1", energy_wh=123_457.0, **AC)
    assert gathered.windows[0].values["register_balance"] == 0


def test_isolation_is_judged_by_decades(story: Story, gathered: Gathered) -> None:
    story.start("1")
    for _ in range(20):
        story.measure(source="mqtt", isolation_ohm_per_v=500.0)
        charge(story, 1, **AC)
    told = FEATURES["isolation"].shown(gathered.windows[0].values["isolation"])
    assert told == pytest.approx(500)


def test_heat_comes_from_devices_and_needs_ambient(story: Story, gathered: Gathered) -> None:
    story.start("1")
    for _ in range(20):
        story.measure(connector_id=0, source="mqtt", ambient_temperature_c=10.0, cabinet_temperature_c=25.0)
        story.measure(source="mqtt", plug_temperature_c=35.6)
        charge(story, 1, **AC)
    first, second = (window.values for window in gathered.windows[:2])
    assert "plug_heat" not in first  # nobody knows whether the current was steady before: heat follows slowly
    assert second["plug_heat"] == pytest.approx(1000 * 25.6 / 16**2)
    assert first["cabinet_rise"] == second["cabinet_rise"] == pytest.approx(15.0)


@pytest.mark.parametrize(("rated_a", "share"), [(None, 1.0), (32.0, 1.0), (16.0, 1 / 4), (63.0, (63 / 32) ** 2)])
def test_heat_of_plugs_of_all_ratings_compares(gathered: Gathered, rated_a: float | None, share: float) -> None:
    connectors = (Connector(connector_id=1, max_current_a=rated_a),)
    station = Station(station_id="SE-1", current="AC", model="One", connectors=connectors)
    story = Story(make_engine([station], watch=gathered))
    story.boot()
    story.start("1")
    for _ in range(20):
        story.measure(connector_id=0, source="mqtt", ambient_temperature_c=10.0)
        story.measure(source="mqtt", plug_temperature_c=35.6)
        charge(story, 1, **AC)
    assert gathered.windows[1].values["plug_heat"] == pytest.approx(1000 * 25.6 / 16**2 * share)


@pytest.mark.parametrize(
    ("rpm", "cabinet_c", "told"),
    [
        (1500.0, 35.0, 100.0),
        (0.0, 35.0, None),  # at rest
        (1500.0, 22.0, None),  # about to stop
    ],
)
def test_a_fans_speed_is_that_for_the_warmth_inside(
    story: Story, gathered: Gathered, rpm: float, cabinet_c: float, told: float | None
) -> None:
    story.start("1")
    for _ in range(20):
        story.measure(connector_id=0, source="mqtt", fan_rpm=rpm, cabinet_temperature_c=cabinet_c)
        charge(story, 1, **AC)
    assert gathered.windows[0].values.get("fan_speed") == told


def test_a_cabinet_that_another_vehicle_warms_as_well_is_not_judged(story: Story, gathered: Gathered) -> None:
    story.start("1")
    story.start("2", "B", connector_id=2)
    for minute in range(100):
        story.measure(connector_id=0, source="mqtt", ambient_temperature_c=10.0, cabinet_temperature_c=25.0)
        if minute < 30:
            story.measure(connector_id=2, transaction="2", power_w=11_000)
        if minute == 30:
            story.stop("2", meter_wh=5500)
        charge(story, 1, **AC)
    told = ["cabinet_rise" in window.values for window in gathered.windows]
    assert told[:11] == [False] * 11  # until half an hour after it left
    assert all(told[13:])


@pytest.mark.parametrize(("plug_c", "told"), [(17.5, False), (18.5, True), (8.0, False)])
def test_a_plug_hardly_warmer_than_the_air_tells_nothing(
    story: Story, gathered: Gathered, plug_c: float, told: bool
) -> None:
    story.start("1")
    for _ in range(20):
        story.measure(connector_id=0, source="mqtt", ambient_temperature_c=10.0)
        story.measure(source="mqtt", plug_temperature_c=plug_c)
        charge(story, 1, **AC)
    assert ("plug_heat" in gathered.windows[1].values) is told


def test_a_broken_sensor_says_nothing(story: Story, gathered: Gathered) -> None:
    story.start("1")
    for _ in range(20):
        story.measure(connector_id=0, source="mqtt", ambient_temperature_c=10.0)
        story.measure(source="mqtt", plug_temperature_c=850.0)
        charge(story, 1, **AC)
    assert "plug_heat" not in gathered.windows[0].values


def test_a_station_that_speaks_seldom_still_has_windows(story: Story, gathered: Gathered) -> None:
    story.start("1")
    charge(story, 60, every_s=300, **AC)
    assert len(gathered.windows) >= 9
    assert "power_ripple" not in gathered.windows[0].values


def test_phase_powers_count_where_there_is_no_total(story: Story, gathered: Gathered) -> None:
    story.start("1")
    phases = {name: value for name, value in AC.items() if name != "power_w"}
    charge(story, 20, power_l1_w=3600.0, power_l2_w=3600.0, power_l3_w=3700.0, **phases)
    assert gathered.windows[0].values["watts_per_amp"] == pytest.approx(10_900 / 48)


def test_values_out_of_a_queue_or_of_another_session_make_no_window(story: Story, gathered: Gathered) -> None:
    story.start("1")
    begun = story.now
    story.wait(7200)
    for minute in range(30):
        story.measure(transaction="1", at=begun + timedelta(minutes=minute), **AC)
    charge(story, 20, transaction="another", **AC)
    assert gathered.windows == []


def test_a_station_with_a_finding_is_suspect(story: Story, gathered: Gathered) -> None:
    story.start("1")
    story.status(ConnectorState.CHARGING, "GroundFailure")
    charge(story, 20, **AC)
    assert all(gathered.suspects)


def test_a_restart_in_the_middle_of_a_window_loses_nothing(story: Story, gathered: Gathered) -> None:
    story.start("1")
    charge(story, 12, **AC)
    again = Gathered()
    engine = make_engine([Station(station_id="SE-1", current="AC", model="One")], watch=again)
    engine.restore(story.engine.encode(["SE-1"]))
    resumed = Story(engine, now=story.now)
    charge(resumed, 9, **AC)
    charge(story, 9, **AC)
    assert again.windows[0].values.keys() == gathered.windows[-2].values.keys()
    assert [w.start for w in again.windows] == [w.start for w in gathered.windows[-len(again.windows) :]]
