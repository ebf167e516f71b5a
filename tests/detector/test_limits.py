"""Where limits and temperatures come from: profiles that were accepted, events of OCPP 2.x, sane sensors."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from detector.fold import Folded, fold
from detector.profiles import Profiles
from detector.temperatures import Probe, plug_of
from detector.view import StationView
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import CommandAnswered, CommandSent, EventReported, Fact, Measured
from laddvakt.domain.readings import Reading
from tests.support.detector import START

LATER = START + timedelta(minutes=10)


def _take(view: StationView, *facts: Fact) -> Folded:
    entry = Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=START, facts=facts)
    return fold(view, entry, lambda text: text)


def _command(
    view: StationView, action: str, payload: dict[str, Any], status: CommandStatus = CommandStatus.ACCEPTED
) -> Profiles:
    _take(view, CommandSent(at=START, command_id="c", action=action, request=json.dumps(payload)))
    _take(view, CommandAnswered(at=START, command_id="c", action=action, status=status))
    return view.profiles


def _limit(limit: float, number: int = 1, purpose: str = "TxDefaultProfile", **more: Any) -> dict[str, Any]:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    profile = {"chargingProfileId": number, "stackLevel": 0, "chargingProfilePurpose": purpose}
    return {"connectorId": 1, "csChargingProfiles": profile | {"chargingSchedule": schedule} | more}


def _held(profiles: Profiles) -> list[tuple[float, str]]:
    return sorted(profiles.limits(1, "T", START, LATER))


def test_a_profile_holds_once_it_is_accepted() -> None:
    assert _held(_command(StationView(station_id="SE-1"), "SetChargingProfile", _limit(10))) == [(10, "A")]


@pytest.mark.parametrize("status", [CommandStatus.REJECTED, CommandStatus.TIMEOUT])
def test_a_profile_that_was_not_accepted_says_nothing(status: CommandStatus) -> None:
    assert _held(_command(StationView(station_id="SE-1"), "SetChargingProfile", _limit(10), status)) == []


def test_a_profile_of_2x_is_read_from_its_first_schedule() -> None:
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7000}]}
    profile = {"id": 3, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "chargingSchedule": [schedule]}
    view = StationView(station_id="SE-1")
    asked = {"evseId": 1, "chargingProfile": profile}
    assert _held(_command(view, "SetChargingProfile", asked)) == [(7000, "W")]


def test_a_transactions_profile_goes_before_the_default() -> None:
    view = StationView(station_id="SE-1")
    _command(view, "SetChargingProfile", _limit(10))
    assert _held(_command(view, "SetChargingProfile", _limit(16, 2, "TxProfile"))) == [(16, "A")]


def test_a_cleared_profile_holds_no_more() -> None:
    view = StationView(station_id="SE-1")
    _command(view, "SetChargingProfile", _limit(10))
    assert _held(_command(view, "ClearChargingProfile", {"id": 1})) == []


def test_a_request_that_was_cut_says_nothing() -> None:
    view = StationView(station_id="SE-1")
    _take(view, CommandSent(at=START, command_id="c", action="SetChargingProfile", request='{"connectorId":1…'))
    done = CommandAnswered(at=START, command_id="c", action="SetChargingProfile", status=CommandStatus.ACCEPTED)
    _take(view, done)
    assert _held(view.profiles) == []


@pytest.mark.parametrize(
    ("component", "field"),
    [
        ("Connector", "plug_temperature_c"),
        ("ExternalTemperatureSensor", "ambient_temperature_c"),
        ("EVSE", "cabinet_temperature_c"),
    ],
)
def test_a_temperature_of_an_event_is_a_sample(component: str, field: str) -> None:
    event = EventReported(at=START, component=component, variable="Temperature", connector_id=1, value="61.5")
    (sample,) = _take(StationView(station_id="SE-1"), event).samples[1]
    assert sample.values == {field: 61.5}


def test_a_temperature_in_words_is_none() -> None:
    event = EventReported(at=START, component="EVSE", variable="Temperature", connector_id=1, value="hot")
    assert _take(StationView(station_id="SE-1"), event).samples == {}


def test_the_grid_sides_temperature_is_not_the_plugs() -> None:
    reading = Reading(at=START, field="temperature_c", value=50.0, location="Inlet")
    (sample,) = _take(
        StationView(station_id="SE-1"), Measured(at=START, connector_id=1, readings=(reading,))
    ).samples[1]
    assert plug_of(sample.values) is None


@pytest.mark.parametrize("transaction", ["OLD", None])
def test_values_of_another_transaction_are_foreign(transaction: str | None) -> None:
    reading = Reading(at=START, field="power_w", value=5000.0)
    fact = Measured(at=START, connector_id=1, transaction_id=transaction, readings=(reading,))
    (sample,) = _take(StationView(station_id="SE-1"), fact).samples[1]
    assert sample.foreign is (transaction is not None)


@pytest.mark.parametrize(("celsius", "said"), [(-60.0, None), (200.0, None), (80.0, 80.0)])
def test_an_open_or_shorted_sensor_says_nothing(celsius: float, said: float | None) -> None:
    assert plug_of({"plug_temperature_c": celsius}) == said


def test_a_step_is_doubted_until_the_sensor_is_back() -> None:
    probe = Probe(START, 20.0).after(START + timedelta(seconds=60), 100.0)
    assert probe.doubt
    assert probe.after(START + timedelta(seconds=120), 100.0).doubt
    assert not probe.after(START + timedelta(seconds=120), 25.0).doubt


def test_a_step_that_stays_for_ten_minutes_is_believed() -> None:
    probe = Probe(START, 20.0)
    for minute in range(1, 11):
        probe = probe.after(START + timedelta(minutes=minute), 90.0 + minute / 10)
        assert probe.doubt
    assert probe.after(START + timedelta(minutes=11), 91.0) == Probe(START + timedelta(minutes=11), 91.0)


def test_a_sensor_that_keeps_jumping_is_never_believed() -> None:
    probe = Probe(START, 20.0)
    for minute in range(1, 60):
        probe = probe.after(START + timedelta(minutes=minute), 60.0 if minute % 2 else 110.0)
    assert probe.doubt


def test_sparse_samples_may_be_far_apart() -> None:
    assert not Probe(START, 20.0).after(START + timedelta(minutes=5), 85.0).doubt
