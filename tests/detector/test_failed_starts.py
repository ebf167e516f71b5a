"""failed_starts: several drivers try, and nothing begins."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.kinship import FAMILIES
from detector.rules import failed_starts, isolation, lock, phase_loss, reported_fault, stuck_preparing
from detector.rules.failed_starts import p_below
from laddvakt.domain.facts import TokenPresented
from laddvakt.domain.stations import ConnectorState
from tests.support.detector import Story, make_engine


@pytest.fixture
def story() -> Story:
    story = Story(make_engine(rules=(failed_starts.RULE,)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    return story


def _show(story: Story, card: str, *, accepted: bool = True) -> None:
    answer = "Accepted" if accepted else "Invalid"
    story.say(TokenPresented(at=story.now, id_tag=card, accepted=accepted, answer=answer))


def _no_start(story: Story, card: str, *, accepted: bool = True, wait_s: float = 300) -> None:
    story.status(ConnectorState.PREPARING)
    story.wait(10)
    _show(story, card, accepted=accepted)
    story.wait(wait_s)
    story.status(ConnectorState.AVAILABLE)
    story.wait(3600)


def _session(
    story: Story,
    number: int,
    card: str,
    *,
    wh: int = 0,
    minutes: float = 5,
    status: ConnectorState = ConnectorState.CHARGING,
    gap_s: float = 3600,
    connector_id: int = 1,
) -> None:
    story.start(str(number), card, connector_id=connector_id)
    story.status(status, connector_id=connector_id)
    story.wait(minutes * 60)
    story.stop(str(number), meter_wh=wh)
    story.status(ConnectorState.AVAILABLE, connector_id=connector_id)
    story.wait(gap_s)


def test_three_failed_visits_of_two_drivers_fire(story: Story) -> None:
    _no_start(story, "A")
    _session(story, 1, "B")
    assert story.kinds() == []
    _no_start(story, "A")
    (finding,) = story.standing
    assert (finding.fault, finding.connector_id) == ("failed_starts", 1)
    assert "3 of the last 3" in finding.explanation
    assert sum(suspect.share for suspect in finding.suspects) == pytest.approx(1, abs=0.01)


def test_one_driver_who_tries_again_and_again_is_one_driver(story: Story) -> None:
    for number in range(8):
        _session(story, number, "A", gap_s=60 if number % 2 else 7200)
    assert story.kinds() == []


def test_tries_within_half_an_hour_are_one_visit(story: Story) -> None:
    for number, card in enumerate("AAABBB"):
        _session(story, number, card, gap_s=60)
    assert story.kinds() == []


def test_refused_tokens_are_no_fault_of_the_station(story: Story) -> None:
    for card in "ABCDE":
        _no_start(story, card, accepted=False)
    assert story.kinds() == []


def test_drivers_who_leave_within_seconds_do_not_count(story: Story) -> None:
    for number, card in enumerate("ABCDE"):
        _no_start(story, card, wait_s=20)
        _session(story, number, card, minutes=0.5)
    assert story.kinds() == []


def test_starts_that_the_station_ends_within_a_minute_fire(story: Story) -> None:
    for number, card in enumerate("ABC"):
        story.start(str(number), card)
        story.wait(20)
        story.stop(str(number), reason="Other")
        story.status(ConnectorState.AVAILABLE)
        story.wait(3600)
    assert len(story.standing) == 1


def test_vehicles_that_want_nothing_do_not_count(story: Story) -> None:
    for number, card in enumerate("ABCDE"):
        _session(story, number, card, status=ConnectorState.SUSPENDED_EV)
    assert story.kinds() == []


def test_parked_cars_do_not_count(story: Story) -> None:
    for _ in range(5):
        story.status(ConnectorState.PREPARING)
        story.wait(3600)
        story.status(ConnectorState.AVAILABLE)
        story.wait(60)
    assert story.kinds() == []


def test_clears_when_two_visits_in_a_row_charge(story: Story) -> None:
    for number, card in enumerate("ABC"):
        _session(story, number, card)
    _session(story, 10, "D", wh=5000)
    assert len(story.standing) == 1
    _session(story, 11, "E", wh=5000)
    assert story.standing == []


def test_clears_when_nobody_comes_for_a_week(story: Story) -> None:
    for number, card in enumerate("ABC"):
        _session(story, number, card)
    story.wait(8 * 86_400)
    assert [kind for kind in story.kinds() if kind is not ChangeKind.STILL] == [
        ChangeKind.RAISED,
        ChangeKind.CLEARED,
    ]


def test_a_start_that_mostly_fails_fires_without_three_in_a_row(story: Story) -> None:
    for number in range(16):
        _session(story, number, f"CARD{number}", wh=5000 if number % 3 == 2 else 0)
    assert [finding.fault for finding in story.standing] == ["failed_starts"]


def test_first_tries_that_fail_one_in_three_fire_though_drivers_try_again_until_it_charges(story: Story) -> None:
    for number in range(24):
        if number % 3 == 0:
            _session(story, 100 + number, f"CARD{number}", gap_s=30)
        _session(story, number, f"CARD{number}", wh=5000)
    (finding,) = story.standing
    assert finding.fault == "failed_starts"
    assert "failed at first" in finding.explanation


def test_a_station_that_fails_now_and_then_stays_one_ticket_until_it_would_be_chance(story: Story) -> None:
    for number in range(40):
        _session(story, number, f"CARD{number}", wh=0 if number % 3 == 0 else 5000)
    assert [kind for kind in story.kinds() if kind is not ChangeKind.STILL] == [ChangeKind.RAISED]
    for number in range(50, 60):
        _session(story, number, f"CARD{number}", wh=5000)
    assert story.standing == []


def test_a_station_whose_connectors_both_fail_gets_one_ticket_that_blames_the_station(story: Story) -> None:
    story.status(ConnectorState.AVAILABLE, connector_id=2)
    for number in range(12):
        _session(story, number, f"CARD{number}", connector_id=1 + number % 2)
    (finding,) = story.standing
    assert (finding.asset.kind, finding.connector_id) == ("station", None)
    assert [kind for kind in story.kinds() if kind is not ChangeKind.STILL] == [ChangeKind.RAISED]


def test_a_connector_that_fails_beside_one_that_charges_is_blamed_itself(story: Story) -> None:
    story.status(ConnectorState.AVAILABLE, connector_id=2)
    for number in range(12):
        good = number % 2 or number == 6
        _session(story, number, f"CARD{number}", connector_id=1 + number % 2, wh=5000 if good else 0)
    (finding,) = story.standing
    assert (finding.asset.kind, finding.connector_id) == ("connector", 1)


def test_a_plug_that_was_not_home_is_its_drivers_first_try_and_no_other_drivers(story: Story) -> None:
    for number in range(6):
        story.status(ConnectorState.PREPARING)
        story.status(ConnectorState.FAULTED, "OtherError")
        story.wait(20)
        story.status(ConnectorState.AVAILABLE)
        story.wait(20)
        _session(story, number, "A", gap_s=7200)
    assert story.kinds() == []


def test_a_station_without_a_phase_has_its_ticket_for_that() -> None:
    story = Story(make_engine(rules=(failed_starts.RULE, phase_loss.RULE)))
    story.connect()
    for volts in (230.0, 2.0, 2.0):
        story.measure(voltage_l1_v=231.0, voltage_l2_v=volts, voltage_l3_v=230.0)
        story.wait(30)
    for number, card in enumerate("ABCD"):
        _session(story, number, card)
    assert [finding.fault for finding in story.standing] == ["phase_loss"]


def test_a_controller_that_hangs_before_the_session_is_the_same_trouble() -> None:
    story = Story(make_engine(rules=(failed_starts.RULE, stuck_preparing.RULE)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    for card in "ABC":
        _no_start(story, card)
    assert [finding.fault for finding in story.standing] == ["failed_starts"]
    story.status(ConnectorState.PREPARING)
    _show(story, "D")
    story.wait(3600)
    assert [finding.fault for finding in story.standing] == ["stuck_preparing"]
    assert {"failed_starts"} <= FAMILIES["stuck_preparing"]


def test_starts_that_hung_and_were_told_are_no_news_when_the_driver_leaves() -> None:
    story = Story(make_engine(rules=(failed_starts.RULE, stuck_preparing.RULE)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    for number, card in enumerate("ABCDEF"):
        _no_start(story, card, wait_s=4000)
        _session(story, number, card + "2", wh=5000, minutes=30)
    assert {change.finding.fault for change in story.changes if change.finding} == {"stuck_preparing"}


def test_cable_checks_that_fail_are_one_trouble_with_the_starts_that_fail_for_them() -> None:
    story = Story(make_engine(rules=(failed_starts.RULE, isolation.RULE)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    for number, card in enumerate("ABC"):
        _session(story, number, card)
    assert [finding.fault for finding in story.standing] == ["failed_starts"]
    for number, card in enumerate("DEF"):
        story.start(f"x{number}", card)
        story.status(ConnectorState.FAULTED, "OtherError", mrec=("CX011",))
        story.wait(30)
        story.stop(f"x{number}", reason="Other")
        story.status(ConnectorState.AVAILABLE)
        story.wait(1800)
    assert [finding.fault for finding in story.standing] == ["isolation"]
    assert "failed_starts" in FAMILIES["isolation"]


def test_what_failed_for_a_broken_lock_is_no_news_when_the_lock_is_mended() -> None:
    """The lock's ticket is cleared when a day has brought nothing; the same visits are not told a second time."""
    story = Story(make_engine(rules=(failed_starts.RULE, lock.RULE)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    story.wait(3600)
    for card in "ABCD":
        story.status(ConnectorState.PREPARING)
        _show(story, card)
        story.wait(5)
        story.status(ConnectorState.FAULTED, "ConnectorLockFailure")
        story.wait(40)
        story.status(ConnectorState.PREPARING)
        story.wait(20)
        story.status(ConnectorState.AVAILABLE)
        story.wait(600)
    assert [finding.fault for finding in story.standing] == ["lock"]
    story.wait(26 * 3600)
    assert story.standing == []
    for number, card in enumerate("EFG"):
        _no_start(story, card) if number else _session(story, 1, card, wh=9000)
        story.wait(3600)
    assert story.standing == []  # two are too few
    _no_start(story, "H")
    assert [finding.fault for finding in story.standing] == ["failed_starts"]


def _told(story: Story, number: int, code: str, *, in_session: bool = True) -> None:
    """A start that ends in a report, which clears when the driver leaves half a minute later."""
    story.status(ConnectorState.PREPARING)
    _show(story, f"CARD{number}")
    story.wait(5)
    if in_session:
        story.start(str(number), f"CARD{number}")
        story.status(ConnectorState.CHARGING)
        story.wait(20)
    error, mrec = ("OtherError", (code,)) if code.startswith("CX") else (code, ())
    story.status(ConnectorState.FAULTED, error, mrec=mrec)
    story.wait(30)
    if in_session:
        story.stop(str(number), reason="Other")
    story.status(ConnectorState.AVAILABLE)
    story.wait(3600)


@pytest.mark.parametrize("in_session", [True, False])
@pytest.mark.parametrize("code", ["OverCurrentFailure", "CX004", "OverVoltage", "CX006", "CX015", "CX019"])
def test_starts_that_end_in_what_has_a_name_of_its_own_are_no_second_trouble(
    story: Story, code: str, *, in_session: bool
) -> None:
    for number in range(6):
        _told(story, number, code, in_session=in_session)
    assert story.kinds() == []


def test_overcurrent_that_is_told_and_clears_each_time_is_one_ticket() -> None:
    story = Story(make_engine(rules=(failed_starts.RULE, reported_fault.RULE)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)
    for number in range(5):
        _told(story, number, "OverCurrentFailure")
    assert {change.finding.fault for change in story.changes if change.finding} == {"reported_fault"}


@pytest.mark.parametrize("code", ["CX011", "CX012", "CX014", "InternalError", "PowerSwitchFailure"])
def test_starts_that_end_in_a_report_of_the_start_itself_fire(story: Story, code: str) -> None:
    for number in range(3):
        _told(story, number, code)
    assert [finding.fault for finding in story.standing] == ["failed_starts"]


def test_two_starts_without_a_phase_are_no_part_of_three_in_a_row_after_it_is_back() -> None:
    """They were too few to be held back, but a blown fuse accounts for them all the same."""
    story = Story(make_engine(rules=(failed_starts.RULE, phase_loss.RULE)))
    story.connect()
    story.status(ConnectorState.AVAILABLE)

    def volts(second: float) -> None:
        for _ in range(6):
            story.measure(voltage_l1_v=231.0, voltage_l2_v=second, voltage_l3_v=230.0)
            story.wait(30)

    volts(230.0)
    volts(2.0)
    _session(story, 1, "A")
    _session(story, 2, "B")
    assert [finding.fault for finding in story.standing] == ["phase_loss"]
    volts(230.0)
    story.wait(2 * 3600)
    assert story.standing == []
    _session(story, 3, "C")
    _session(story, 4, "D")
    assert story.standing == []
    _session(story, 5, "E")
    assert [finding.fault for finding in story.standing] == ["failed_starts"]


def test_the_posterior_is_the_beta_distribution() -> None:
    assert p_below(0.6, 0, 0) == pytest.approx(0.6**3)
    assert p_below(0.6, 0, 3) == pytest.approx(0.8208, abs=1e-4)
    assert p_below(0.6, 10, 0) < 0.01
