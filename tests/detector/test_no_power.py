"""no_power: a station that says Charging while nothing flows, into two vehicles in turn."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.rules import meter_frozen, no_power
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine


@pytest.fixture
def story() -> Story:
    return Story(make_engine(rules=(no_power.RULE,)))


def _session(
    story: Story,
    transaction: str,
    card: str | None,
    *,
    watts: float = 0.0,
    minutes: int = 10,
    status: ConnectorState = ConnectorState.CHARGING,
    **values: float,
) -> None:
    story.start(transaction, card)
    story.status(status)
    for _ in range(minutes):
        story.wait(60)
        story.measure(transaction=transaction, power_w=watts, **values)
    story.stop(transaction)
    story.status(ConnectorState.AVAILABLE)
    story.wait(300)


def test_two_vehicles_without_power_fire(story: Story) -> None:
    _session(story, "1", "A")
    assert story.kinds() == []
    _session(story, "2", "B")
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.mrec) == ("no_power", Severity.P2, ("CX017",))
    assert finding.asset.kind == "station"
    assert finding.connector_id == 1
    assert "2 vehicles" in finding.explanation
    assert [item.value for item in finding.evidence] == ["0 W", "0 W"]
    assert finding.evidence[0].threshold == "50 W"


def test_fires_ninety_seconds_after_the_ramp(story: Story) -> None:
    _session(story, "1", "A")
    story.start("2", "B")
    story.status(ConnectorState.CHARGING)
    story.wait(120)
    story.measure(transaction="2", power_w=0)
    story.wait(30)
    story.measure(transaction="2", power_w=0)
    story.wait(59)
    assert story.standing == []
    story.wait(1)
    assert len(story.standing) == 1


def test_one_vehicle_is_evidence_about_the_vehicle(story: Story) -> None:
    for number in range(4):
        _session(story, str(number), "A")
    assert story.kinds() == []


def test_sessions_without_a_token_count_as_vehicles_of_their_own(story: Story) -> None:
    _session(story, "1", None)
    _session(story, "2", None)
    assert len(story.standing) == 1


def test_a_good_session_between_means_the_vehicles(story: Story) -> None:
    _session(story, "1", "A")
    _session(story, "2", "B", watts=7000)
    _session(story, "3", "C")
    assert story.kinds() == []


def test_two_sessions_with_power_clear(story: Story) -> None:
    _session(story, "1", "A")
    _session(story, "2", "B")
    _session(story, "3", "C", watts=7000, energy_wh=9_000)
    assert story.kinds() == [ChangeKind.RAISED]
    _session(story, "4", "D", watts=7000, energy_wh=9_500)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]
    assert story.changes[-2].reason == "power_flows"


def test_a_contactor_that_closes_now_and_then_is_found_by_its_third_vehicle(story: Story) -> None:
    for number, watts in enumerate((0.0, 7000.0, 7000.0, 0.0, 7000.0)):
        _session(story, str(number), f"CARD-{number}", watts=watts)
    assert story.standing == []
    _session(story, "6", "CARD-6")
    assert len(story.standing) == 1


def test_three_vehicles_among_many_sessions_are_their_own_affair(story: Story) -> None:
    for number in range(15):
        _session(story, str(number), f"CARD-{number}", watts=0.0 if number % 5 == 0 else 7000.0)
    assert story.kinds() == []


def test_drivers_who_give_up_after_two_minutes_count_with_one_who_waits(story: Story) -> None:
    _session(story, "1", "A", minutes=2)
    _session(story, "2", "B", minutes=2)
    assert story.standing == []
    _session(story, "3", "C")
    assert len(story.standing) == 1


def test_three_drivers_in_a_row_who_give_up_fire(story: Story) -> None:
    for number in range(3):
        _session(story, str(number), f"CARD-{number}", minutes=2)
    assert len(story.standing) == 1


@pytest.mark.parametrize(
    ("status", "values"),
    [
        (ConnectorState.SUSPENDED_EV, {}),
        (ConnectorState.SUSPENDED_EVSE, {}),
        (ConnectorState.CHARGING, {"soc_pct": 97.0}),
        (ConnectorState.CHARGING, {"current_offered_a": 0.0}),
        (ConnectorState.CHARGING, {"power_offered_w": 0.0}),
    ],
    ids=["vehicle_pause", "station_pause", "full_battery", "no_current_offered", "no_power_offered"],
)
def test_look_alikes_never_fire(story: Story, status: ConnectorState, values: dict[str, float]) -> None:
    for number in range(3):
        _session(story, str(number), f"CARD-{number}", status=status, **values)
    assert story.kinds() == []


def test_short_sessions_within_the_ramp_never_fire(story: Story) -> None:
    for number in range(4):
        _session(story, str(number), f"CARD-{number}", minutes=1)
    assert story.kinds() == []


def test_power_told_in_the_wrong_unit_is_contradicted_by_the_current(story: Story) -> None:
    _session(story, "1", "A", watts=7.4, current_l1_a=32.0)
    _session(story, "2", "B", watts=7.4, current_l1_a=32.0)
    assert story.standing == []


def test_power_told_in_the_wrong_unit_is_contradicted_by_the_register(story: Story) -> None:
    for transaction, card in (("1", "A"), ("2", "B")):
        story.start(transaction, card)
        story.status(ConnectorState.CHARGING)
        for minute in range(10):
            story.wait(60)
            story.measure(transaction=transaction, power_w=7.4, energy_wh=120.0 * minute)
        story.stop(transaction, meter_wh=1_200)
        story.status(ConnectorState.AVAILABLE)
        story.wait(300)
    assert story.standing == []


def test_a_pause_after_power_flowed_never_fires(story: Story) -> None:
    for number in range(3):
        story.start(str(number), f"CARD-{number}")
        story.status(ConnectorState.CHARGING)
        for watts in (7000, 7000, 5000, 1000, 100, 0, 0, 0, 0, 0):
            story.wait(60)
            story.measure(transaction=str(number), power_w=watts)
        story.stop(str(number))
    assert story.kinds() == []


def test_a_station_that_sends_no_power_is_judged_by_its_current(story: Story) -> None:
    for transaction, card in (("1", "A"), ("2", "B")):
        story.start(transaction, card)
        story.status(ConnectorState.CHARGING)
        for _ in range(6):
            story.wait(60)
            story.measure(transaction=transaction, current_l1_a=0.0, current_l2_a=0.1)
        story.stop(transaction)
    assert len(story.standing) == 1


def test_a_coarse_register_alone_needs_twenty_minutes(story: Story) -> None:
    def charge(transaction: str, minutes: int) -> None:
        story.start(transaction, f"CARD-{transaction}")
        story.status(ConnectorState.CHARGING)
        for _ in range(minutes):
            story.wait(60)
            story.measure(transaction=transaction, energy_wh=5000.0)
        story.stop(transaction)

    charge("1", 15)
    charge("2", 15)
    assert story.standing == []
    charge("3", 25)
    charge("4", 25)
    assert len(story.standing) == 1


def test_a_register_that_counts_whole_kilowatt_hours_slowly_is_power(story: Story) -> None:
    for number in range(3):
        story.start(str(number), f"CARD-{number}")
        story.status(ConnectorState.CHARGING)
        for minute in range(60):
            story.wait(60)
            story.measure(transaction=str(number), energy_wh=1000.0 * (minute // 16))
        story.stop(str(number))
    assert story.kinds() == []


def test_episodes_are_forgotten_after_a_week(story: Story) -> None:
    _session(story, "1", "A")
    story.wait(8 * 86_400)
    _session(story, "2", "B")
    assert story.standing == []


def test_values_out_of_a_queue_are_not_judged(story: Story) -> None:
    for transaction, card in (("1", "A"), ("2", "B")):
        story.start(transaction, card)
        story.status(ConnectorState.CHARGING)
        began = story.now
        story.wait(7200)
        for minute in range(3, 30):
            story.measure(transaction=transaction, at=began.replace(minute=minute), power_w=0)
        story.stop(transaction)
    assert story.kinds() == []


def test_the_finding_says_what_else_it_may_lie_in(story: Story) -> None:
    _session(story, "1", "A")
    _session(story, "2", "B")
    (finding,) = story.standing
    assert finding.suspects[0].asset == finding.asset
    assert sum(suspect.share for suspect in finding.suspects) == pytest.approx(1.0, abs=0.01)
    assert any("2 vehicles" in why for suspect in finding.suspects for why in suspect.why)
    assert 0.9 < finding.confidence < 1


@pytest.mark.parametrize(
    ("moving", "standing"),
    [
        pytest.param(True, ["meter_frozen", "no_power"], id="a register that stopped"),
        pytest.param(False, ["meter_frozen"], id="perhaps a dead line"),
    ],
)
def test_only_a_dead_line_to_the_meter_shows_as_no_power(moving: bool, standing: list[str]) -> None:
    story = Story(make_engine(rules=(no_power.RULE, meter_frozen.RULE)))
    story.start("1", "A")
    story.status(ConnectorState.CHARGING)
    for minute in range(8):
        story.wait(60)
        story.measure(transaction="1", energy_wh=10_123, power_w=7000 + (minute if moving else 0))
    story.stop("1")
    for transaction in ("2", "3"):
        _session(story, transaction, f"CARD-{transaction}", energy_wh=10_123)
    assert sorted(finding.fault for finding in story.standing) == standing
