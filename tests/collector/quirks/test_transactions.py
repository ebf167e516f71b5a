"""What real stations do with transactions. The numbers are the lines of docs/reference/quirks.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from collector.ocpp.action import Policy, Purpose, Verdict
from collector.quality import (
    CLOSED_WITHOUT_STOP,
    NO_START_REGISTER,
    START_UNHEARD,
    STOP_MATCHED,
)
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.identification import Shown
from laddvakt.domain.sessions import Quality, SessionState
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tokens import AuthorizationStatus
from tests.support.recording import Desk
from tests.support.stations import Speaker, at, stamp

DAY = 86400


@pytest.mark.parametrize("said", [0, -1, 424242])
def test_q01_stop_for_an_unknown_transaction_ends_the_one_session_that_it_fits(desk: Desk, said: int) -> None:
    station = Speaker()
    station.start(0, meter=1000)
    assert station.stop(said, 1500, 600)[0] == 3
    desk.record(station)
    session = desk.session
    assert (session.state, session.energy_wh, session.ended_at) == (SessionState.ENDED, 500, at(600))
    assert (session.quality, session.quality_reasons) == (Quality.ESTIMATED, (STOP_MATCHED,))
    assert desk.quarantine == ()


@pytest.mark.parametrize(
    ("meters", "stop", "why"),
    [((1000, 1000), 1500, "two sessions fit"), ((90_000, 1000), 2**31, "none does by its register")],
)
def test_q01_stop_that_fits_not_exactly_one_session_is_set_aside(
    desk: Desk, meters: tuple[int, int], stop: int, why: str
) -> None:
    desk.register(connectors=2, max_power_w=22_000)
    station = Speaker()
    for connector, meter in enumerate(meters, start=1):
        station.start(0, meter=meter, connector=connector, tag="TAG1")
    assert station.stop(0, stop, 600)[0] == 3
    desk.record(station)
    assert {session.state for session in desk.sessions} == {SessionState.ACTIVE}, why
    (item,) = desk.quarantine
    assert item.reason is QuarantineReason.UNKNOWN_TRANSACTION


def test_q01_register_or_driver_tells_which_of_two_sessions_stops(desk: Desk) -> None:
    desk.register(connectors=2, max_power_w=22_000)
    station = Speaker()
    station.start(0, meter=1000, connector=1, tag="TAG1")
    station.start(0, meter=90_000, connector=2, tag="TAG2")
    station.stop(0, 1500, 600)  # connector 2's register is beyond that
    desk.record(station)
    assert [s.connector_id for s in desk.sessions if s.state is SessionState.ENDED] == [1]
    station.start(700, meter=89_000, connector=1, tag="TAG1")
    station.stop(-1, 90_500, 1300, idTag="TAG2")
    desk.record(station)
    assert [s.connector_id for s in desk.sessions if s.state is SessionState.ENDED] == [1, 2]


def test_q01_repeated_stop_without_an_id_counts_once(desk: Desk) -> None:
    station = Speaker()
    station.start(0, meter=1000)
    for second in (600, 660):
        payload = {"transactionId": 0, "meterStop": 1500, "timestamp": stamp(600)}
        station.call("StopTransaction", payload, second)
    desk.record(station)
    assert desk.session.energy_wh == 500
    assert desk.quarantine == ()


def test_q02_energy_without_a_start_is_an_estimated_session_without_a_driver(desk: Desk) -> None:
    station = Speaker()
    station.status("Charging", 0)
    station.energy(None, 5000, 60, Power_Active_Import="11000")
    station.energy(None, 5500, 224, Power_Active_Import="11000")
    desk.record(station)
    session = desk.session
    assert (session.state, session.started_at, session.energy_wh) == (SessionState.ACTIVE, at(0), 500)
    assert (session.quality, session.token) == (Quality.ESTIMATED, None)
    assert START_UNHEARD in session.quality_reasons
    assert desk.connector().session_id == session.session_id


def test_q02_values_of_a_transaction_that_never_started_here_open_its_session(desk: Desk) -> None:
    station = Speaker()
    station.status("Charging", 0)
    station.energy(77, 5000, 60)
    station.energy(77, 5500, 224)
    station.stop(77, 5600, 300)
    desk.record(station)
    session = desk.session
    assert (session.transaction_id, session.energy_wh, session.state) == ("77", 600, SessionState.ENDED)
    assert session.quality_reasons == (START_UNHEARD, NO_START_REGISTER)
    assert desk.quarantine == ()


def test_q02_late_start_joins_the_session_that_it_lacked(desk: Desk) -> None:
    station = Speaker()
    station.status("Charging", 5)
    station.energy(None, 1100, 60)
    desk.record(station)
    opened = desk.session
    start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": stamp(2)}
    number = station.call("StartTransaction", start, 400)[2]["transactionId"]
    assert station.call("StartTransaction", start, 460)[2]["transactionId"] == number
    desk.record(station)
    joined = desk.session
    assert joined.session_id == opened.session_id
    assert (joined.started_at, joined.energy_wh, joined.quality) == (at(2), 100, Quality.CONFIRMED)
    assert joined.token is not None
    station.stop(number, 1500, 600)
    station.call("StartTransaction", start, 700)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (500, Quality.CONFIRMED)


@pytest.mark.parametrize("status", ["Available", "Finishing", "Faulted"])
def test_q02_values_of_a_connector_that_does_not_charge_open_nothing(desk: Desk, status: str) -> None:
    station = Speaker()
    station.status(status, 0)
    station.energy(None, 5000, 60)
    station.energy(None, 5000, 120, Power_Active_Import="3")
    desk.record(station)
    assert desk.sessions == []


def test_q03_start_sent_again_gets_its_transaction_back_and_is_one_session(desk: Desk) -> None:
    station = Speaker()
    payload = {"connectorId": 1, "idTag": "TAG1", "meterStart": 0, "timestamp": stamp(0)}
    numbers = {station.call("StartTransaction", payload, second)[2]["transactionId"] for second in (0, 30, 3600)}
    assert len(numbers) == 1
    desk.record(station)
    assert desk.session.started_at == at(0)


def test_q04_only_the_stop_arrives_after_an_offline_charge_and_a_reset(desk: Desk) -> None:
    desk.register(connectors=1)
    station = Speaker()
    station.up(7200)
    station.boot(7201)
    samples = [
        {"value": "1000", "context": "Transaction.Begin", "unit": "Wh"},
        {"value": "9000", "context": "Transaction.End", "unit": "Wh"},
    ]
    data = [
        {"timestamp": stamp(when), "sampledValue": [sample]}
        for when, sample in zip((0, 3600), samples, strict=True)
    ]
    stop = {"transactionId": -1, "idTag": "TAG1", "meterStop": 9000, "timestamp": stamp(3600)}
    for second in (7202, 7262):  # said twice
        assert station.call("StopTransaction", {**stop, "transactionData": data}, second)[0] == 3
    desk.record(station)
    session = desk.session
    assert (session.state, session.energy_wh) == (SessionState.ENDED, 8000)
    assert (session.started_at, session.ended_at, session.connector_id) == (at(0), at(3600), 1)
    assert (session.quality, session.quality_reasons) == (Quality.ESTIMATED, (START_UNHEARD,))
    assert session.token is not None
    assert desk.quarantine == ()


def test_q04_bare_stop_of_an_offline_charge_is_a_session_too(desk: Desk) -> None:
    station = Speaker()
    station.up(7200)
    station.boot(7201)
    stop = {"transactionId": 99, "idTag": "TAG1", "meterStop": 9000, "timestamp": stamp(3600)}
    station.call("StopTransaction", stop, 7202)
    station.call("StopTransaction", stop, 7262)
    desk.record(station)
    session = desk.session
    assert (session.state, session.energy_wh, session.quality) == (SessionState.ENDED, 0, Quality.ESTIMATED)
    assert session.quality_reasons == (START_UNHEARD, NO_START_REGISTER)


def test_q04_stop_of_an_earlier_charge_does_not_end_the_present_one(desk: Desk) -> None:
    station = Speaker()
    station.up(7200)
    number = station.start(7300, meter=9000)
    stop = {"transactionId": -1, "meterStop": 9000, "timestamp": stamp(3600)}
    station.call("StopTransaction", stop, 7400)
    desk.record(station)
    lost, present = desk.sessions
    assert (lost.state, present.state) == (SessionState.ENDED, SessionState.ACTIVE)
    assert present.transaction_id == str(number)


@pytest.mark.parametrize("said", [None, 0, -1])
def test_q05_values_without_a_transaction_belong_to_the_session_on_the_connector(
    desk: Desk, said: int | None
) -> None:
    station = Speaker()
    station.start(0, meter=0, connector=1)
    station.start(0, meter=0, connector=2, tag="TAG2")
    station.energy(said, 250, 30, connector=2)
    desk.record(station)
    assert {s.connector_id: s.energy_wh for s in desk.sessions} == {1: 0, 2: 250}


def test_q05_values_from_before_the_session_are_not_its_own(desk: Desk) -> None:
    station = Speaker()
    station.start(1000, meter=5000)
    station.energy(None, 4000, 1)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.readings_ignored) == (0, 0)
    assert desk.session.register_aside_wh is None


def test_q06_values_after_the_stop_never_revive_the_session(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.status("Charging", 1)
    station.stop(number, 500, 60)
    station.energy(number, 700, 70)
    station.energy(None, 700, 80, Power_Active_Import="7000")
    desk.record(station)
    assert (desk.session.state, desk.session.energy_wh) == (SessionState.ENDED, 500)
    assert desk.quarantine == ()


@pytest.mark.parametrize("status", ["Preparing", "Available"])
def test_q07_reboot_that_lost_the_transaction_closes_it_by_estimate(desk: Desk, status: str) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.energy(number, 400, 50)
    station.boot(100)
    station.status(status, 101)
    desk.record(station)
    session = desk.session
    assert (session.state, session.energy_wh, session.ended_at) == (SessionState.ENDED, 400, at(50))
    assert session.quality_reasons == (CLOSED_WITHOUT_STOP,)


def test_q07_station_that_goes_on_after_its_reboot_gets_its_session_back(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.energy(number, 400, 50)
    station.boot(100)
    station.status("Preparing", 101)
    station.status("Charging", 110)
    station.energy(number, 600, 150)
    desk.record(station)
    assert (desk.session.state, desk.session.energy_wh) == (SessionState.ACTIVE, 600)
    assert desk.connector().session_id == desk.session.session_id
    station.stop(number, 900, 200)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (900, Quality.CONFIRMED)


def test_q07_new_start_closes_what_was_never_stopped(desk: Desk) -> None:
    station = Speaker()
    station.energy(station.start(0, meter=0), 400, 50)
    station.start(100, meter=500, tag="TAG2")
    desk.record(station)
    old, new = desk.sessions
    assert (old.state, old.energy_wh, old.quality) == (SessionState.ENDED, 400, Quality.ESTIMATED)
    assert new.state is SessionState.ACTIVE


def test_q07_silence_closes_a_session_by_estimate_and_its_stop_puts_it_right(desk: Desk) -> None:
    station = Speaker()
    station.up(0)
    number = station.start(0, meter=0)
    station.energy(number, 400, 50)
    station.down(60)
    desk.record(station)
    desk.sweep(DAY)
    assert desk.session.state is SessionState.ACTIVE
    desk.sweep(DAY + 51)
    assert (desk.session.state, desk.session.ended_at) == (SessionState.ENDED, at(50))
    assert desk.session.quality_reasons == (CLOSED_WITHOUT_STOP,)
    assert desk.connector().session_id is None
    station.stop(number, 900, 600)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality, desk.session.ended_at) == (
        900,
        Quality.CONFIRMED,
        at(600),
    )


def test_q07_vehicle_that_is_full_over_the_weekend_is_not_silent(desk: Desk) -> None:
    station = Speaker()
    station.up(0)
    station.start(0, meter=0)
    station.status("SuspendedEV", 3600)
    station.call("Heartbeat", {}, 2 * DAY)
    desk.record(station)
    desk.sweep(2 * DAY + 10)
    assert desk.session.state is SessionState.SUSPENDED


def test_q08_rejected_start_does_not_close_the_session_that_runs(desk: Desk) -> None:
    def only_tag1(shown: Shown, purpose: Purpose, now: datetime) -> Verdict:
        return Verdict(AuthorizationStatus.ACCEPTED if shown.id_tag == "TAG1" else AuthorizationStatus.BLOCKED)

    station = Speaker(policy=Policy(authorize=only_tag1))
    number = station.start(0, meter=0, tag="TAG1")
    refused = station.start(100, meter=100, tag="TAG2")
    station.energy(None, 400, 200)
    station.stop(refused, 100, 210, reason="DeAuthorized")
    desk.record(station)
    running, rejected = desk.sessions
    assert (running.state, running.energy_wh, running.quality_reasons) == (SessionState.ACTIVE, 400, ())
    assert (rejected.state, rejected.energy_wh) == (SessionState.ENDED, 0)
    assert desk.connector().session_id == running.session_id
    station.stop(number, 900, 600)
    desk.record(station)
    assert desk.sessions[0].energy_wh == 900


def event(kind: str, number: int, seconds: float, wh: float, **more: Any) -> dict[str, Any]:
    sample = {"value": wh, "unitOfMeasure": {"unit": "Wh"}}
    return {
        "eventType": kind,
        "timestamp": stamp(seconds),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number,
        "transactionInfo": {"transactionId": "T-1"},
        "meterValue": [{"timestamp": stamp(seconds), "sampledValue": [sample]}],
        **more,
    }


PLUG: dict[str, Any] = {"evse": {"id": 1}}  # without a connectorId


def test_q09_events_count_once_in_any_order_and_what_ended_stays_ended(desk: Desk) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    started = event("Started", 0, 0, 1000, **PLUG)
    updated = event("Updated", 1, 60, 1200)
    ended = event("Ended", 3, 180, 1600)
    for payload in (ended, started, updated, updated, started, ended):
        assert station.call("TransactionEvent", {**payload, "offline": True}, 9000)[0] == 3
    desk.record(station)
    session = desk.session
    assert (session.connector_id, session.state, session.energy_wh) == (1, SessionState.ENDED, 600)
    assert session.quality_reasons == ("events of the transaction never came: 2",)
    station.call("TransactionEvent", event("Updated", 2, 120, 1400), 9100)
    desk.record(station)
    session = desk.session
    assert (session.state, session.energy_wh, session.quality) == (SessionState.ENDED, 600, Quality.CONFIRMED)


def test_q10_suspended_is_not_ended(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    for second, status in ((10, "SuspendedEVSE"), (20, "SuspendedEV")):
        station.status(status, second)
        desk.record(station)
        assert desk.session.state is SessionState.SUSPENDED
        assert desk.connector().status is ConnectorState(status)
    station.status("Charging", 30)
    station.energy(number, 700, 60)
    desk.record(station)
    assert (desk.session.state, desk.session.energy_wh) == (SessionState.ACTIVE, 700)


def test_q10_suspended_transaction_of_2x_goes_on(desk: Desk) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.call("TransactionEvent", event("Started", 0, 0, 1000, **PLUG), 0)
    paused = {"transactionId": "T-1", "chargingState": "SuspendedEV"}
    station.call("TransactionEvent", event("Updated", 1, 60, 1200, transactionInfo=paused), 60)
    desk.record(station)
    assert desk.session.state is SessionState.SUSPENDED
    again = {"transactionId": "T-1", "chargingState": "Charging"}
    station.call("TransactionEvent", event("Updated", 2, 120, 1200, transactionInfo=again), 120)
    desk.record(station)
    assert desk.session.state is SessionState.ACTIVE
