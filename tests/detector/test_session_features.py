"""Sessions and days in numbers: what an entry completes, and what a vehicle's pause explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from detector.features import FEATURES_OF, Span, Window
from detector.features.day import counted
from detector.view import ScoredWindow
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.facts import CommandAnswered, CommandSent, TransactionStopped
from laddvakt.domain.stations import ConnectorState, Station
from tests.support.detector import Story, make_engine

MORNING = datetime(2026, 11, 23, 0, 5, tzinfo=UTC)


class Gathered:
    """A watch that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[Window] = []

    def take_all(self, windows: Sequence[Window], suspects: Sequence[bool]) -> list[ScoredWindow | None]:
        self.rows += windows
        return [None] * len(windows)

    def of(self, span: Span) -> list[Window]:
        return [row for row in self.rows if row.span is span]


@pytest.fixture
def gathered() -> Gathered:
    return Gathered()


@pytest.fixture
def story(gathered: Gathered) -> Story:
    told = Story(make_engine([Station(station_id="SE-1", current="AC", model="One")], watch=gathered), now=MORNING)
    told.boot()
    told.status(ConnectorState.AVAILABLE)
    return told


def charge(story: Story, minutes: int, *, power_w: float, transaction: str = "1", since_wh: float = 0) -> float:
    """Samples each minute; the register at the end."""
    energy_wh = since_wh
    for _ in range(minutes):
        story.wait(60)
        energy_wh += power_w / 60
        story.measure(
            transaction=transaction,
            energy_wh=energy_wh,
            power_w=power_w,
            current_l1_a=power_w / 230,
            voltage_l1_v=230,
        )
    return energy_wh


def session(story: Story, transaction: str = "1", *, minutes: int = 60, tag: str = "A") -> None:
    story.status(ConnectorState.PREPARING)
    story.start(transaction, tag)
    story.status(ConnectorState.CHARGING)
    energy = charge(story, minutes, power_w=3680, transaction=transaction)
    story.stop(transaction, meter_wh=round(energy))
    story.status(ConnectorState.AVAILABLE)
    story.wait(120)


def test_a_session_that_ran_as_it_should(story: Story, gathered: Gathered) -> None:
    session(story)
    (row,) = gathered.of(Span.SESSION)
    assert (row.transaction_id, row.vehicle, row.kind, row.model) == ("1", "tok_a", "AC", "Acme One")
    assert row.start == MORNING
    assert row.context.phases == 1
    assert row.values["start_latency"] == pytest.approx(math.log(60))
    assert row.values["energy_balance"] == pytest.approx(1.0, abs=0.03)
    assert row.values["load_factor"] == pytest.approx(1.0, abs=0.03)
    assert row.values["taper_share"] == pytest.approx(0, abs=0.03)
    zero = ("ended_badly", "without_energy", "retries", "errors", "pauses")
    assert [row.values[name] for name in zero] == [0] * len(zero)


def test_a_register_that_counts_too_little(story: Story, gathered: Gathered) -> None:
    story.start("1")
    charge(story, 60, power_w=3680)
    story.stop("1", meter_wh=0)
    story.now += timedelta(minutes=2)
    story.heartbeat()
    values = gathered.of(Span.SESSION)[0].values
    assert values["energy_balance"] == pytest.approx(1, abs=0.05)
    story.start("2")
    for _ in range(60):
        story.wait(60)
        story.measure(transaction="2", power_w=3680)
    story.stop("2", meter_wh=2944)
    story.wait(120)
    assert gathered.of(Span.SESSION)[1].values["energy_balance"] == pytest.approx(0.8, abs=0.03)


def test_what_flowed_before_the_first_value_is_not_held_against_the_register(
    story: Story, gathered: Gathered
) -> None:
    """Five minutes at 22 kW that nobody saw, a sixth of what was charged in four hours."""
    story.start("1")
    energy = 22_000 / 12
    story.wait(300)
    for watts in (22_000, *[2_000] * 46):
        story.measure(transaction="1", power_w=watts, energy_wh=energy)
        story.wait(300)
        energy += 2_000 / 12
    story.stop("1", meter_wh=round(energy))
    story.wait(120)
    assert "energy_balance" not in gathered.of(Span.SESSION)[0].values


def test_a_frozen_register_is_held_against_power(story: Story, gathered: Gathered) -> None:
    story.start("1")
    for _ in range(60):
        story.wait(60)
        story.measure(transaction="1", power_w=3680, energy_wh=0)
    story.stop("1", meter_wh=0)
    story.wait(120)
    assert gathered.of(Span.SESSION)[0].values["energy_balance"] == 0


def test_a_weak_supply_shows_as_voltage_lost_per_ampere(story: Story, gathered: Gathered) -> None:
    story.start("1")
    for minute in range(60):
        story.wait(60)
        amperes = 6.0 if minute < 20 else 16.0
        volts = 231 - 0.5 * amperes
        story.measure(transaction="1", power_w=volts * amperes, current_l1_a=amperes, voltage_l1_v=volts)
    story.stop("1", meter_wh=3000)
    story.wait(120)
    assert gathered.of(Span.SESSION)[0].values["supply_fall"] == pytest.approx(500)


def test_a_steady_current_says_nothing_of_the_supply(story: Story, gathered: Gathered) -> None:
    session(story)
    assert "supply_fall" not in gathered.of(Span.SESSION)[0].values


def test_a_day_knows_its_best_power_and_what_flowed_outside_sessions(gathered: Gathered) -> None:
    station = Station(station_id="SE-1", current="AC", model="One", max_power_w=7360)
    story = Story(make_engine([station], watch=gathered), now=MORNING)
    story.boot()
    story.status(ConnectorState.AVAILABLE)
    session(story)
    for watts in (0, 400):
        story.wait(60)
        story.measure(power_w=watts)
    story.now = MORNING + timedelta(days=1)
    story.heartbeat()
    story.wait(120)
    (day,) = gathered.of(Span.DAY)
    assert (day.values["best_power"], day.values["idle_power"]) == (0.5, 200)


def test_power_from_the_register_is_not_held_against_it(story: Story, gathered: Gathered) -> None:
    story.start("1")
    for minute in range(60):
        story.wait(60)
        story.measure(transaction="1", energy_wh=60.0 * minute)
    story.stop("1", meter_wh=3540)
    story.wait(120)
    assert "energy_balance" not in gathered.of(Span.SESSION)[0].values


def test_an_end_by_the_equipment_and_interruptions(story: Story, gathered: Gathered) -> None:
    story.start("1")
    energy = 0.0
    for _ in range(3):
        energy = charge(story, 10, power_w=3680, since_wh=energy)
        energy = charge(story, 5, power_w=0, since_wh=energy)
    story.say(
        TransactionStopped(at=story.now, transaction_id="1", meter_stop_wh=round(energy), reason="PowerLoss")
    )
    story.wait(120)
    values = gathered.of(Span.SESSION)[0].values
    assert (values["ended_badly"], values["pauses"]) == (1, 2)  # it did not come back from the third
    assert values["load_factor"] < 0.75


def test_a_last_reading_without_power_is_no_interruption(story: Story, gathered: Gathered) -> None:
    story.start("1")
    energy = charge(story, 1, power_w=0)
    energy = charge(story, 30, power_w=3680, since_wh=energy)
    energy = charge(story, 1, power_w=0, since_wh=energy)
    story.stop("1", meter_wh=round(energy))
    story.wait(120)
    assert gathered.of(Span.SESSION)[0].values["pauses"] == 0


@pytest.mark.parametrize(("after_min", "steered"), [(0, False), (20, True)])
def test_a_limit_that_changes_while_it_charges_explains_what_flows(
    story: Story, gathered: Gathered, after_min: int, steered: bool
) -> None:
    story.start("1")
    energy = charge(story, after_min, power_w=3680)
    request = (
        '{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"chargingSchedule":{"chargingRateUnit":"A",'
        '"chargingSchedulePeriod":[{"startPeriod":0,"limit":6}]}}}'
    )
    action = "SetChargingProfile"
    story.say(CommandSent(at=story.now, command_id="c", action=action, request=request))
    accepted = CommandStatus.ACCEPTED
    story.say(CommandAnswered(at=story.now, command_id="c", action=action, status=accepted))
    energy = charge(story, 40, power_w=1380, since_wh=energy)
    story.stop("1", meter_wh=round(energy))
    story.wait(120)
    values = gathered.of(Span.SESSION)[0].values
    assert "start_latency" in values
    assert values.keys().isdisjoint({"load_factor", "taper_share", "pauses"}) is steered


def test_power_in_another_unit_says_nothing_of_a_session_nor_of_its_day(gathered: Gathered) -> None:
    """A station that writes kilowatts and calls them watts: what flows looks like nothing, and interrupted."""
    station = Station(station_id="SE-1", current="DC", max_power_w=150_000, model="One")
    story = Story(make_engine([station], watch=gathered), now=MORNING)
    story.boot()
    story.status(ConnectorState.AVAILABLE)
    story.start("1")
    for minute in range(1, 31):
        story.wait(60)
        amps = 200 + 50 * (minute % 2)
        values = {"power_w": 0.45 * amps, "current_a": float(amps), "voltage_v": 450.0}
        story.measure(transaction="1", energy_wh=1500.0 * minute, **values)
    story.stop("1", meter_wh=45_000)
    story.now = MORNING + timedelta(days=1)
    story.heartbeat()
    story.wait(120)
    of_power = {"pauses", "load_factor", "taper_share", "start_latency", "energy_balance"}
    assert gathered.of(Span.SESSION)[0].values.keys().isdisjoint(of_power)
    assert "best_power" not in gathered.of(Span.DAY)[0].values


def test_what_the_vehicle_paused_is_not_the_stations(story: Story, gathered: Gathered) -> None:
    story.start("1")
    story.status(ConnectorState.CHARGING)
    story.wait(60)
    story.status(ConnectorState.SUSPENDED_EV)
    story.wait(3600)
    story.stop("1", meter_wh=0)
    story.wait(120)
    values = gathered.of(Span.SESSION)[0].values
    assert values["without_energy"] == 0
    assert not {"start_latency", "load_factor", "pauses", "taper_share"} & values.keys()


def test_sessions_nobody_saw_run_are_no_rows(story: Story, gathered: Gathered) -> None:
    story.start("1")
    story.wait(600)
    story.status(ConnectorState.AVAILABLE)  # ended, and nobody says how
    story.wait(120)
    assert gathered.of(Span.SESSION) == []


def test_starts_before_are_counted(story: Story, gathered: Gathered) -> None:
    for transaction in ("1", "2"):
        story.start(transaction)
        story.wait(30)
        story.stop(transaction)
        story.wait(30)
    session(story, "3")
    assert [row.values["retries"] for row in gathered.of(Span.SESSION)] == [0, 1, 2]
    assert gathered.of(Span.SESSION)[0].values["without_energy"] == 1


def test_a_day_is_counted_from_midnight_to_midnight(story: Story, gathered: Gathered) -> None:
    session(story, "1", minutes=60)
    session(story, "2", minutes=60, tag="B")
    story.disconnect()
    story.connect()
    story.boot()
    story.status(ConnectorState.FAULTED, "GroundFailure")
    story.wait(2.4 * 3600)
    story.status(ConnectorState.AVAILABLE)
    story.start("3")
    story.wait(30)
    story.stop("3")
    story.now = MORNING + timedelta(days=1)
    story.heartbeat()
    story.wait(120)
    (day,) = gathered.of(Span.DAY)
    assert (day.connector, day.transaction_id, day.kind) == ("SE-1/1", "2026-11-23", "AC")
    values = day.values
    assert values["sessions"] == counted(3)
    assert values["failed_share"] == pytest.approx(1.5 / 4)
    assert values["energy_per_session"] == pytest.approx(3.68, abs=0.1)
    assert values["blocked_share"] == pytest.approx(0.1, abs=0.001)
    assert (values["error_count"], values["reconnects"], values["boots"]) == (counted(1),) * 3
    assert values["repeats"] == counted(1)


def test_a_day_that_was_watched_in_part_is_no_row(gathered: Gathered) -> None:
    story = Story(make_engine(watch=gathered), now=MORNING + timedelta(hours=8))
    story.status(ConnectorState.AVAILABLE)
    story.now = MORNING + timedelta(days=1)
    story.heartbeat()
    assert gathered.of(Span.DAY) == []
    story.now = MORNING + timedelta(days=2)
    story.heartbeat()
    story.wait(120)
    (day,) = gathered.of(Span.DAY)
    assert day.values["sessions"] == counted(0)
    assert "failed_share" not in day.values


def test_days_of_silence_are_not_made_up(story: Story, gathered: Gathered) -> None:
    story.now = MORNING + timedelta(days=5)
    story.heartbeat()
    story.wait(120)
    assert [day.transaction_id for day in gathered.of(Span.DAY)] == ["2026-11-23"]


def test_a_restart_in_the_middle_loses_nothing(story: Story, gathered: Gathered) -> None:
    story.start("1")
    charge(story, 30, power_w=3680)
    again = Gathered()
    engine = make_engine([Station(station_id="SE-1", current="AC", model="One")], watch=again)
    engine.restore(story.engine.encode(["SE-1"]))
    resumed = Story(engine, now=story.now)
    for told in (story, resumed):
        energy = charge(told, 30, power_w=3680, since_wh=1840)
        told.stop("1", meter_wh=round(energy))
        told.now = MORNING + timedelta(days=1)
        told.heartbeat()
        told.wait(120)
    assert again.of(Span.SESSION) == gathered.of(Span.SESSION)
    assert again.of(Span.DAY) == gathered.of(Span.DAY)


def test_every_value_is_a_feature(story: Story, gathered: Gathered) -> None:
    session(story)
    story.now = MORNING + timedelta(days=1)
    story.heartbeat()
    story.wait(120)
    assert {row.span for row in gathered.rows} == set(Span)
    for row in gathered.rows:
        assert row.values.keys() <= FEATURES_OF[row.span].keys()
