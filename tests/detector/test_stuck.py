"""stuck_preparing, stuck_finishing, stuck_suspended_evse: a connector that stays where it must not."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from detector.rules import RULES
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.facts import (
    ChargingLimitReported,
    CommandAnswered,
    CommandSent,
    NonConforming,
    RemoteStartAsked,
    StatusReported,
    TokenPresented,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

S = ConnectorState
HOUR = 3600


def _story(code: str, stations: tuple[Station, ...] = ()) -> Story:
    story = Story(make_engine(stations, rules=tuple(rule for rule in RULES if rule.code == code)))
    story.connect()
    story.status(S.AVAILABLE)
    story.wait(600)
    return story


def _card(story: Story, card: str = "A", *, accepted: bool = True) -> None:
    answer = "Accepted" if accepted else "Invalid"
    story.say(TokenPresented(at=story.now, id_tag=card, accepted=accepted, answer=answer))


def _occupied(story: Story) -> None:
    story.say(StatusReported(at=story.now, connector_id=1, evse_id=1, status=S.PREPARING, reported="Occupied"))


def _profile(story: Story, limit_a: float) -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    request = json.dumps({"connectorId": 1, "csChargingProfiles": profile})
    story.say(CommandSent(at=story.now, command_id="p", action="SetChargingProfile", request=request))
    story.say(
        CommandAnswered(at=story.now, command_id="p", action="SetChargingProfile", status=CommandStatus.ACCEPTED)
    )


# stuck_preparing


@pytest.fixture
def preparing() -> Story:
    return _story("stuck_preparing")


def test_a_driver_who_was_accepted_and_waits_fires(preparing: Story) -> None:
    preparing.status(S.PREPARING)
    preparing.wait(30)
    _card(preparing)
    preparing.wait(899)
    assert preparing.standing == []
    preparing.wait(1)
    (finding,) = preparing.standing
    assert (finding.fault, finding.severity, finding.connector_id) == ("stuck_preparing", Severity.P3, 1)
    assert finding.asset.kind == "station"
    assert (finding.evidence[0].value, finding.evidence[0].threshold) == ("15 min", "15 min")
    preparing.status(S.AVAILABLE)
    assert preparing.standing == []


def test_occupied_of_2x_is_waiting_too(preparing: Story) -> None:
    _occupied(preparing)
    _card(preparing)
    preparing.wait(900)
    assert len(preparing.standing) == 1


def test_a_remote_start_counts_as_identification(preparing: Story) -> None:
    preparing.status(S.PREPARING)
    preparing.say(RemoteStartAsked(at=preparing.now, command_id="1", id_tag="APP", connector_id=1))
    preparing.wait(900)
    assert len(preparing.standing) == 1


def test_a_session_that_begins_clears_it(preparing: Story) -> None:
    preparing.status(S.PREPARING)
    _card(preparing)
    preparing.wait(1000)
    preparing.start("1", "A")
    assert preparing.standing == []


def test_it_stays_through_a_gap_and_is_judged_when_the_status_is_known_again(preparing: Story) -> None:
    preparing.status(S.PREPARING)
    _card(preparing)
    preparing.disconnect()
    preparing.wait(500)
    preparing.connect()
    preparing.wait(500)
    assert preparing.standing == []
    preparing.status(S.PREPARING)
    assert len(preparing.standing) == 1


def test_a_parked_car_that_nobody_identifies_never_fires(preparing: Story) -> None:
    preparing.status(S.PREPARING)
    preparing.wait(10 * HOUR)
    assert preparing.kinds() == []


def test_a_token_that_was_refused_never_fires(preparing: Story) -> None:
    preparing.status(S.PREPARING)
    _card(preparing, accepted=False)
    preparing.wait(10 * HOUR)
    assert preparing.kinds() == []


def test_a_car_that_stays_after_its_session_was_stopped_by_card_never_fires(preparing: Story) -> None:
    _occupied(preparing)
    preparing.start("1", "A")
    preparing.wait(HOUR)
    _card(preparing)
    preparing.wait(2)
    preparing.stop("1", meter_wh=9000)
    _occupied(preparing)
    preparing.wait(5 * HOUR)
    assert preparing.kinds() == []


def test_a_station_whose_clock_is_hours_behind_is_judged_by_ours(preparing: Story) -> None:
    hours = timedelta(hours=3)

    def status(status: ConnectorState) -> None:
        preparing.status(status, at=preparing.now - hours)

    for _ in range(6):
        preparing.wait(120)
        status(S.AVAILABLE)
    status(S.PREPARING)
    _card(preparing)
    preparing.say(TransactionStarted(at=preparing.now - hours, connector_id=1, transaction_id="1", id_tag="A"))
    preparing.wait(HOUR)
    preparing.say(TransactionStopped(at=preparing.now - hours, transaction_id="1", meter_stop_wh=9000))
    status(S.PREPARING)
    preparing.wait(10)
    preparing.wait(HOUR)
    assert preparing.standing == []


def test_a_card_that_starts_the_neighbour_never_fires(preparing: Story) -> None:
    preparing.status(S.PREPARING)  # parked
    preparing.wait(60)
    _card(preparing)
    preparing.status(S.PREPARING, connector_id=2)
    preparing.start("2", "A", connector_id=2)
    preparing.wait(HOUR)
    assert preparing.kinds() == []


def test_of_two_that_wait_nobody_knows_whose_card_it_was(preparing: Story) -> None:
    preparing.status(S.PREPARING)
    preparing.status(S.PREPARING, connector_id=2)
    _card(preparing)
    preparing.wait(HOUR)
    assert preparing.kinds() == []


def test_of_two_that_waited_it_stays_unknown_when_one_leaves_without_a_session(preparing: Story) -> None:
    preparing.status(S.PREPARING)
    preparing.status(S.PREPARING, connector_id=2)
    _card(preparing)
    preparing.wait(10)
    preparing.status(S.FAULTED, connector_id=2)
    preparing.wait(20)
    preparing.status(S.AVAILABLE, connector_id=2)
    preparing.wait(HOUR)
    assert preparing.kinds() == []


def test_a_card_of_the_neighbour_is_not_taken_up_again_when_others_have_charged_there_since(
    preparing: Story,
) -> None:
    preparing.status(S.PREPARING)  # parked
    for number, card in enumerate(("A", None, None)):
        preparing.wait(600)
        preparing.status(S.PREPARING, connector_id=2)
        if card:
            _card(preparing, card)
        preparing.start(str(number), card or f"PLUG{number}", connector_id=2)  # the others show no card
        preparing.wait(HOUR)
        preparing.stop(str(number))
        preparing.status(S.AVAILABLE, connector_id=2)
    preparing.status(S.PREPARING)
    preparing.wait(HOUR)
    assert preparing.kinds() == []


def test_smart_charging_that_lets_it_wait_never_fires(preparing: Story) -> None:
    _profile(preparing, 0)
    preparing.status(S.PREPARING)
    _card(preparing)
    preparing.wait(3 * HOUR)
    assert preparing.kinds() == []


# stuck_suspended_evse


@pytest.fixture
def suspended() -> Story:
    return _story("stuck_suspended_evse", _site())


def _site() -> tuple[Station, ...]:
    return tuple(Station(station_id=name, site_id="PARK") for name in ("SE-1", "SE-2"))


def _suspend(story: Story, *, minutes: int, transaction: str = "1", amps: float | None = None) -> None:
    """SuspendedEVSE for so long, with a sample a minute. `amps`: Current.Offered."""
    story.start(transaction, "A")
    story.status(S.CHARGING)
    story.wait(300)
    story.status(S.SUSPENDED_EVSE)
    for _ in range(minutes):
        story.wait(60)
        if amps is None:
            story.measure(transaction=transaction, power_w=0.0)
        else:
            story.measure(transaction=transaction, power_w=0.0, current_offered_a=amps)


def test_energy_withheld_though_enough_is_offered_fires(suspended: Story) -> None:
    _suspend(suspended, minutes=14, amps=16.0)
    assert suspended.standing == []
    suspended.wait(60)
    (finding,) = suspended.standing
    assert (finding.fault, finding.severity) == ("stuck_suspended_evse", Severity.P3)
    assert (finding.asset.kind, finding.asset.id) == ("station", "SE-1")
    assert (finding.evidence[1].value, finding.evidence[1].threshold) == ("16 A", "6 A")
    suspended.status(S.CHARGING)
    assert suspended.standing == []


def test_the_charging_state_of_2x_counts_too(suspended: Story) -> None:
    suspended.start("1", "A")
    suspended.say(
        TransactionReported(
            at=suspended.now,
            transaction_id="1",
            event="Updated",
            seq_no=1,
            connector_id=1,
            charging_state=S.SUSPENDED_EVSE,
        )
    )
    _profile(suspended, 16)
    suspended.wait(1801)
    assert len(suspended.standing) == 1


def test_without_any_word_of_a_limit_it_takes_longer(suspended: Story) -> None:
    _suspend(suspended, minutes=29)
    assert suspended.standing == []
    suspended.wait(60)
    (finding,) = suspended.standing
    assert finding.evidence[1].value == "none is known"
    assert finding.confidence <= 0.7


def test_a_station_that_offers_nothing_never_fires(suspended: Story) -> None:
    _suspend(suspended, minutes=120, amps=0.0)
    assert suspended.kinds() == []


def test_a_profile_under_six_amperes_never_fires(suspended: Story) -> None:
    _profile(suspended, 0)
    _suspend(suspended, minutes=120)
    assert suspended.kinds() == []


def test_a_limit_from_outside_never_fires(suspended: Story) -> None:
    suspended.say(ChargingLimitReported(at=suspended.now, source="EMS"))
    _suspend(suspended, minutes=120)
    assert suspended.kinds() == []


def test_a_neighbour_that_waits_too_means_load_management(suspended: Story) -> None:
    suspended.connect("SE-2")
    suspended.station_id = "SE-2"
    suspended.start("9", "B")
    suspended.status(S.SUSPENDED_EVSE)
    suspended.station_id = "SE-1"
    _suspend(suspended, minutes=120)
    assert suspended.kinds() == []


def test_a_vehicle_that_pauses_never_fires(suspended: Story) -> None:
    suspended.start("1", "A")
    suspended.status(S.SUSPENDED_EV)
    suspended.wait(5 * HOUR)
    assert suspended.kinds() == []


def test_a_short_pause_never_fires(suspended: Story) -> None:
    for number in "1234":
        _suspend(suspended, minutes=10, transaction=number, amps=16.0)
        suspended.stop(number)
    assert suspended.kinds() == []


# stuck_finishing


@pytest.fixture
def finishing() -> Story:
    return _story("stuck_finishing")


def _stop(story: Story, reason: str, transaction: str = "1") -> None:
    story.say(TransactionStopped(at=story.now, transaction_id=transaction, meter_stop_wh=9000, reason=reason))


def _charge(story: Story, reason: str, transaction: str = "1") -> None:
    story.status(S.PREPARING)
    story.start(transaction, "A")
    story.status(S.CHARGING)
    story.wait(HOUR)
    _stop(story, reason, transaction)


def test_finishing_an_hour_after_the_vehicle_left_fires(finishing: Story) -> None:
    _charge(finishing, "EVDisconnected")
    finishing.status(S.FINISHING)
    finishing.wait(3599)
    assert finishing.standing == []
    finishing.wait(1)
    (finding,) = finishing.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("stuck_finishing", Severity.P4, "station")
    assert "EVDisconnected" in finding.evidence[1].value
    finishing.status(S.AVAILABLE)
    assert finishing.standing == []


def test_occupied_of_2x_after_the_vehicle_left_fires(finishing: Story) -> None:
    _occupied(finishing)
    finishing.start("1", "A")
    finishing.wait(HOUR)
    _stop(finishing, "EVDisconnected")
    _occupied(finishing)
    finishing.wait(HOUR)
    assert len(finishing.standing) == 1


def test_occupied_after_a_session_is_no_new_attempt() -> None:
    story = _story("stuck_preparing")
    _occupied(story)
    story.start("1", "A")
    story.status(S.CHARGING)
    story.wait(HOUR)
    _stop(story, "Local")
    _occupied(story)
    story.wait(600)
    _card(story, "B")
    story.wait(HOUR)
    assert story.standing == []


def test_another_driver_whose_card_starts_nothing_says_that_the_bay_is_empty(finishing: Story) -> None:
    _charge(finishing, "Local")
    finishing.status(S.FINISHING)
    finishing.wait(1800)
    _card(finishing, "B")
    finishing.wait(HOUR - 10)
    assert finishing.standing == []
    finishing.wait(10)
    (finding,) = finishing.standing
    assert "cards were read" in finding.evidence[1].value


def test_its_own_drivers_card_says_nothing(finishing: Story) -> None:
    _charge(finishing, "Local")
    finishing.status(S.FINISHING)
    finishing.wait(1800)
    _card(finishing, "A")
    _card(finishing, "C", accepted=False)
    finishing.wait(4 * HOUR)
    assert finishing.standing == []


def test_a_card_that_starts_a_session_beside_it_says_nothing(finishing: Story) -> None:
    _charge(finishing, "Local")
    finishing.status(S.FINISHING)
    for number, card in enumerate("BCD"):
        finishing.status(S.PREPARING, connector_id=2)
        finishing.wait(600)
        _card(finishing, card)
        finishing.wait(5)
        finishing.start(f"other-{number}", card, connector_id=2)
        finishing.wait(600)
        finishing.stop(f"other-{number}")
        finishing.status(S.AVAILABLE, connector_id=2)
    finishing.wait(4 * HOUR)
    assert finishing.standing == []


def test_where_another_connector_is_free_one_card_is_not_enough(finishing: Story) -> None:
    finishing.status(S.AVAILABLE, connector_id=2)
    _charge(finishing, "Local")
    finishing.status(S.FINISHING)
    finishing.wait(1800)
    _card(finishing, "B")
    finishing.wait(2 * HOUR)
    assert finishing.standing == []
    _card(finishing, "C")
    finishing.wait(HOUR)
    assert len(finishing.standing) == 1


def test_an_empty_bay_counts_as_left(finishing: Story) -> None:
    _charge(finishing, "Local")
    finishing.status(S.FINISHING)
    finishing.wait(1800)
    finishing.say(
        TransactionReported(
            at=finishing.now, transaction_id="1", event="Updated", seq_no=9, connector_id=1, trigger="EVDeparted"
        )
    )
    finishing.wait(HOUR)
    assert len(finishing.standing) == 1


def test_a_vehicle_that_charges_elsewhere_has_left(finishing: Story) -> None:
    _charge(finishing, "Local")
    finishing.status(S.FINISHING)
    finishing.wait(HOUR)
    finishing.station_id = "SE-2"
    _charge(finishing, "Local")
    finishing.station_id = "SE-1"
    finishing.wait(2 * HOUR)
    (finding,) = finishing.standing
    assert "SE-2" in finding.evidence[1].value


def test_a_car_that_is_parked_after_charging_never_fires(finishing: Story) -> None:
    _charge(finishing, "Local")
    finishing.status(S.FINISHING)
    finishing.wait(40 * HOUR)
    assert finishing.kinds() == []


def test_the_next_session_ends_it(finishing: Story) -> None:
    _charge(finishing, "EVDisconnected")
    finishing.status(S.FINISHING)
    finishing.wait(1800)
    _charge(finishing, "Local", "2")
    finishing.status(S.FINISHING)
    finishing.wait(10 * HOUR)
    assert finishing.kinds() == []


def test_a_stop_out_of_a_queue_says_nothing_of_now(finishing: Story) -> None:
    finishing.start("1", "A")
    finishing.wait(HOUR)
    at = finishing.now - timedelta(minutes=50)
    finishing.say(TransactionStopped(at=at, transaction_id="1", meter_stop_wh=1, reason="EVDisconnected"))
    finishing.status(S.FINISHING)
    finishing.wait(5 * HOUR)
    assert finishing.kinds() == []


@pytest.mark.parametrize(("status", "fires"), [(S.PREPARING, False), (S.FINISHING, True)])
def test_in_1_6_a_vehicle_that_has_plugged_in_since_is_another(
    finishing: Story, status: ConnectorState, fires: bool
) -> None:
    _charge(finishing, "EVDisconnected")
    finishing.status(S.FINISHING)
    finishing.wait(600)
    finishing.status(status)
    finishing.wait(4 * HOUR)
    assert bool(finishing.standing) is fires


@pytest.mark.parametrize(("away_s", "fires"), [(20, True), (600, False)])
def test_what_stands_there_after_a_gap_may_be_another(finishing: Story, away_s: float, fires: bool) -> None:
    _occupied(finishing)
    finishing.start("1", "A")
    finishing.wait(HOUR)
    _stop(finishing, "EVDisconnected")
    _occupied(finishing)
    finishing.disconnect()
    finishing.wait(away_s)
    finishing.connect()
    _occupied(finishing)
    finishing.wait(4 * HOUR)
    assert bool(finishing.standing) is fires


def test_what_was_told_before_a_gap_stands_after_it(finishing: Story) -> None:
    _charge(finishing, "EVDisconnected")
    finishing.status(S.FINISHING)
    finishing.wait(2 * HOUR)
    finishing.disconnect()
    finishing.wait(600)
    finishing.connect()
    finishing.status(S.FINISHING)
    assert len(finishing.standing) == 1


@pytest.mark.parametrize("code", ["stuck_finishing", "stuck_preparing"])
def test_what_a_station_says_that_breaks_the_specification_proves_no_status(code: str) -> None:
    story = Story(make_engine(rules=tuple(rule for rule in RULES if rule.code in (code, "non_conforming"))))
    story.connect()
    story.status(S.AVAILABLE)
    for _ in range(100):
        story.wait(1)
        story.say(NonConforming(at=story.now, detail="StatusNotification errorCode: 'Error' is none"))
    if code == "stuck_finishing":
        _charge(story, "EVDisconnected")
    else:
        story.status(S.PREPARING)
        _card(story)
    story.wait(3 * HOUR)
    assert [finding.fault for finding in story.standing] == ["non_conforming"]
