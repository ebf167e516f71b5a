"""no_energy_sessions: sessions run, and the vehicles take nothing."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.rules import failed_starts, no_energy_sessions, no_power
from detector.rules.no_energy_sessions import at_least
from laddvakt.domain.facts import TransactionReported, TransactionStarted, TransactionStopped
from laddvakt.domain.stations import Connector, ConnectorState, Station
from tests.support.detector import Story, make_engine

S = ConnectorState
RULES = (no_energy_sessions.RULE, failed_starts.RULE)
STATION = Station(
    station_id="SE-1",
    connectors=(Connector(connector_id=1, cable_id="CABLE-1"), Connector(connector_id=2, cable_id="CABLE-2")),
)


@pytest.fixture
def story() -> Story:
    story = Story(make_engine([STATION], rules=RULES))
    story.connect()
    story.status(S.AVAILABLE)
    return story


def _empty(
    story: Story,
    number: int,
    card: str,
    *,
    connector_id: int = 1,
    status: ConnectorState = S.SUSPENDED_EV,
    minutes: int = 20,
    gap_s: float = 3600,
    flows: float = 0.0,
    **values: float,
) -> None:
    story.start(str(number), card, connector_id=connector_id)
    story.status(S.CHARGING, connector_id=connector_id)
    for minute in range(minutes):
        story.measure(connector_id=connector_id, power_w=0.0 if minute else flows, **values)
        story.status(status, connector_id=connector_id)
        story.wait(60)
    story.stop(str(number))
    story.status(S.AVAILABLE, connector_id=connector_id)
    story.wait(gap_s)


def _good(story: Story, number: int, card: str, *, connector_id: int = 1) -> None:
    story.start(str(number), card, connector_id=connector_id)
    story.status(S.CHARGING, connector_id=connector_id)
    story.wait(1800)
    story.stop(str(number), meter_wh=8000)
    story.status(S.AVAILABLE, connector_id=connector_id)
    story.wait(1800)


def test_three_vehicles_in_a_row_that_take_nothing_fire(story: Story) -> None:
    for number, card in enumerate("AB"):
        _empty(story, number, card)
    assert story.standing == []
    _empty(story, 3, "C")
    (finding,) = story.standing
    assert (finding.fault, finding.severity) == ("no_energy_sessions", "P3")
    assert "3 of the last 3 vehicles" in finding.explanation
    assert sum(suspect.share for suspect in finding.suspects) == pytest.approx(1, abs=0.01)


def test_ocpp_2x_says_so_by_the_charging_state_alone(story: Story) -> None:
    for number, card in enumerate("ABC"):
        name = str(number)
        story.say(TransactionStarted(at=story.now, connector_id=1, transaction_id=name, id_tag=card))
        for seq, state in enumerate((S.CHARGING, S.SUSPENDED_EV)):
            event = TransactionReported(
                at=story.now,
                transaction_id=name,
                event="Updated",
                seq_no=seq + 1,
                connector_id=1,
                charging_state=state,
            )
            story.say(event)
            story.measure(transaction=name, power_w=0.0)
            story.wait(120)
        story.say(TransactionStopped(at=story.now, transaction_id=name, meter_stop_wh=0))
        story.status(S.AVAILABLE)
        story.wait(3600)
    assert [finding.fault for finding in story.standing] == ["no_energy_sessions"]


def test_two_vehicles_in_five_are_no_chance_when_it_goes_on(story: Story) -> None:
    for number in range(15):
        (_good if number % 5 in (1, 3, 4) else _empty)(story, number, f"CARD{number}")
    assert [finding.fault for finding in story.standing] == ["no_energy_sessions"]


def test_vehicles_that_wait_for_their_hour_excuse_those_that_left_before_it(story: Story) -> None:
    story.start("0", "Z")
    story.status(S.SUSPENDED_EV)
    story.measure(power_w=0.0)
    story.wait(1800)
    story.status(S.CHARGING)
    story.measure(power_w=7000.0)
    story.wait(1800)
    story.stop("0", meter_wh=3500)
    story.status(S.AVAILABLE)
    story.wait(3600)
    for number, card in enumerate("ABCD", 1):
        _empty(story, number, card)
    assert story.kinds() == []
    _empty(story, 5, "E")
    assert [finding.fault for finding in story.standing] == ["no_energy_sessions"]


def test_vehicles_that_stand_suspended_for_long_are_evidence_only_in_great_number(story: Story) -> None:
    for number, card in enumerate("ABCDEFG"):
        _empty(story, number, card, minutes=90)
    assert story.kinds() == []
    _empty(story, 8, "H", minutes=90)
    assert [finding.fault for finding in story.standing] == ["no_energy_sessions"]


def test_a_start_that_failed_makes_no_evidence_of_those_that_stood(story: Story) -> None:
    for number, (card, status) in enumerate((("A", S.SUSPENDED_EV), ("B", S.CHARGING), ("C", S.SUSPENDED_EV))):
        _empty(story, number, card, status=status, minutes=90 if status is S.SUSPENDED_EV else 4)
    assert "no_energy_sessions" not in [finding.fault for finding in story.standing]


def test_one_driver_who_left_soon_makes_evidence_of_those_that_stood(story: Story) -> None:
    for number, (card, minutes) in enumerate((("A", 90), ("B", 4), ("C", 90))):
        _empty(story, number, card, minutes=minutes)
    assert [finding.fault for finding in story.standing] == ["no_energy_sessions"]


def test_one_in_twenty_is_usual(story: Story) -> None:
    for number in range(60):
        (_empty if number % 20 == 0 else _good)(story, number, f"CARD{number}")
    assert story.kinds() == []


def test_one_vehicle_is_evidence_about_the_vehicle(story: Story) -> None:
    for number in range(6):
        _empty(story, number, "A", gap_s=7200)
    assert story.kinds() == []


def _at_second_try(story: Story, number: int, card: str, *, connector_id: int = 1, minutes: int = 5) -> None:
    _empty(story, 100 + number, card, connector_id=connector_id, minutes=minutes, gap_s=60)
    _good(story, number, card, connector_id=connector_id)


def test_drivers_who_are_refused_and_charge_at_their_second_try_show_it(story: Story) -> None:
    for number, card in enumerate("AB"):
        _at_second_try(story, number, card)
    assert story.standing == []
    _at_second_try(story, 3, "C")
    assert [finding.fault for finding in story.standing] == ["no_energy_sessions"]
    assert "took nothing at first" in story.standing[0].explanation


def test_one_driver_in_twenty_tries_twice_anywhere(story: Story) -> None:
    for number in range(60):
        (_at_second_try if number % 20 == 0 else _good)(story, number, f"CARD{number}")
    assert story.kinds() == []


def test_vehicles_that_stood_for_long_and_charge_at_a_second_try_may_have_waited(story: Story) -> None:
    for number, card in enumerate("ABCDEFG"):
        _at_second_try(story, number, card, minutes=30)
    assert story.kinds() == []


def test_a_vehicle_that_charged_and_comes_again_took_something(story: Story) -> None:
    for number, card in enumerate("ABCD"):
        story.start(f"x{number}", card)
        story.status(S.CHARGING)
        story.wait(600)
        story.stop(f"x{number}", meter_wh=3000)
        story.wait(60)
        _empty(story, number, card, minutes=5)
    assert story.kinds() == []


def test_a_vehicle_that_comes_again_at_once_is_one_stay(story: Story) -> None:
    for number, card in enumerate("AAAB"):
        _empty(story, number, card, gap_s=60)
    assert story.kinds() == []


@pytest.mark.parametrize(
    ("how", "values"),
    [
        ({"minutes": 1}, {}),
        ({"status": S.SUSPENDED_EVSE}, {}),
        ({}, {"current_offered_a": 0.0}),
        ({}, {"soc_pct": 96.0}),
        ({"flows": 3000.0}, {}),
    ],
    ids=["short", "station_pauses", "limit", "full_battery", "power_that_ceased"],
)
def test_look_alikes_never_fire(story: Story, how: dict[str, float], values: dict[str, float]) -> None:
    for number, card in enumerate("ABCDEF"):
        _empty(story, number, card, **{"minutes": 20, **how}, **values)  # type: ignore[arg-type]  # mixed rows
    assert story.kinds() == []


def test_a_register_of_whole_kilowatt_hours_proves_nothing_in_ten_minutes(story: Story) -> None:
    for number, card in enumerate("ABCD"):
        story.start(str(number), card)
        story.status(S.SUSPENDED_EV)
        story.wait(600)
        story.stop(str(number))
        story.status(S.AVAILABLE)
    assert story.kinds() == []


def test_the_cable_is_meant_when_the_other_connector_charges_the_station_when_it_does_not() -> None:
    for other, kind in ((_good, "cable"), (_empty, "station")):
        story = Story(make_engine([STATION], rules=RULES))
        for number, card in enumerate("ABC"):
            other(story, 10 + number, f"OTHER-{card}", connector_id=2)
            _empty(story, number, card)
        assert {finding.asset.kind for finding in story.standing} == {kind}


def test_starts_that_fail_are_left_to_their_own_rule(story: Story) -> None:
    for number, card in enumerate("ABCD"):
        _empty(story, number, card, status=S.CHARGING)
    assert [finding.fault for finding in story.standing] == ["failed_starts"]
    assert story.kinds() == [ChangeKind.RAISED] + [ChangeKind.STILL] * (len(story.kinds()) - 1)


def test_clears_when_five_vehicles_in_a_row_charge(story: Story) -> None:
    for number, card in enumerate("ABC"):
        _empty(story, number, card)
    for number in range(4):
        _good(story, 10 + number, f"GOOD{number}")
    assert len(story.standing) == 1
    _good(story, 20, "GOOD4")
    assert story.standing == []


def _raised(story: Story) -> list[str]:
    kinds = (ChangeKind.RAISED, ChangeKind.CLEARED)
    return [change.finding.asset.kind for change in story.changes if change.kind in kinds and change.finding]


def test_what_was_before_it_cleared_does_not_raise_it_anew(story: Story) -> None:
    """Five of twelve at the station would be no chance; but the last seven of them charged."""
    story.status(S.AVAILABLE, connector_id=2)
    for number in range(5):
        _empty(story, number, f"EMPTY{number}", connector_id=1 + number % 2)
    assert len(story.standing) == 1
    for number in range(5):
        _good(story, 10 + number, f"GOOD{number}", connector_id=1 + number % 2)
    assert story.standing == []
    _empty(story, 20, "X")
    _empty(story, 21, "Y", connector_id=2)
    assert len(_raised(story)) == 2
    _empty(story, 22, "Z")
    assert len(story.standing) == 1


def test_where_fewer_were_refused_more_must_charge_to_clear(story: Story) -> None:
    for number in range(10):
        (_empty if number % 3 == 0 else _good)(story, number, f"CARD{number}")
    assert len(story.standing) == 1
    for number in range(5):
        _good(story, 10 + number, f"GOOD{number}")
    assert len(story.standing) == 1
    for number in range(5, 8):
        _good(story, 10 + number, f"GOOD{number}")
    assert story.standing == []


def test_one_connector_that_charges_does_not_speak_for_another(story: Story) -> None:
    for number in range(4):
        _empty(story, number, f"EMPTY{number}", connector_id=1 + number % 2)
    for number in range(9):
        _good(story, 10 + number, f"GOOD{number}", connector_id=1)
    assert [finding.asset.kind for finding in story.standing] == ["station"]
    assert len(_raised(story)) == 1


def test_a_connector_that_charges_while_another_goes_on_is_out_of_it(story: Story) -> None:
    for number in range(4):
        _empty(story, number, f"EMPTY{number}", connector_id=1 + number % 2)
    for number in range(6):
        _good(story, 10 + number, f"GOOD{number}", connector_id=1)
        _empty(story, 20 + number, f"MORE{number}", connector_id=2)
    (finding,) = story.standing
    assert (finding.asset.kind, finding.asset.id) == ("cable", "CABLE-2")


def test_the_blame_does_not_move_when_old_stays_are_forgotten(story: Story) -> None:
    for number in range(2):
        _empty(story, number, f"OLD{number}", connector_id=2)
    story.wait(4 * 86_400)
    for number in range(3):
        _empty(story, 10 + number, f"NEW{number}")
    assert [finding.asset.kind for finding in story.standing] == ["station"]
    story.wait(5 * 86_400)
    assert [finding.asset.kind for finding in story.standing] == ["station"]
    assert len(_raised(story)) == 1
    story.wait(3 * 86_400)
    assert story.standing == []


def test_what_took_nothing_while_no_power_flowed_is_no_news_when_it_flows_again() -> None:
    """The contactor's ticket clears with two good sessions; the same vehicles are not told under another name."""
    story = Story(make_engine([STATION], rules=(no_power.RULE, no_energy_sessions.RULE)))
    story.connect()
    story.status(S.AVAILABLE)
    for number, card in enumerate("ABCDE"):
        _empty(story, number, card, status=S.CHARGING)
        _empty(story, 10 + number, f"WAITS{card}", minutes=3)
    assert [finding.fault for finding in story.standing] == ["no_power"]
    for number in range(2):
        _good(story, 20 + number, f"GOOD{number}")
    story.wait(600)
    assert story.standing == []


def test_clears_when_nobody_comes_for_a_week(story: Story) -> None:
    for number, card in enumerate("ABC"):
        _empty(story, number, card)
    story.wait(8 * 86_400)
    assert story.standing == []


def test_the_tail_of_the_binomial() -> None:
    assert at_least(3, 3, 0.05) == pytest.approx(0.05**3)
    assert at_least(3, 5, 0.05) == pytest.approx(0.00116, abs=1e-5)
    assert at_least(0, 5, 0.05) == pytest.approx(1.0)


def test_empty_sessions_at_both_connectors_count_together(story: Story) -> None:
    for number, card in enumerate("ABC"):
        _empty(story, number, card, connector_id=1 + number % 2)
    assert [finding.asset.kind for finding in story.standing] == ["station"]
