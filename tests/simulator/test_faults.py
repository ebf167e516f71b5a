"""Faults: each changes what the station says while it lasts, and only then."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from simulator.faults import KINDS, FaultPlan
from simulator.faults.schedule import lay_faults, live_faults, shows, spread_faults, truth_record
from simulator.spec import StationSpec, make_specs, with_devices
from tests.support.central import AC_ONE, DC, START_S, Central, make_station, power_w, register_wh, schema


def plan(
    code: str, spec: StationSpec = AC_ONE, *, since: float = 100, until: float = 2000, **more: Any
) -> FaultPlan:
    made = KINDS[code].plan(AC_ONE, random.Random(1), START_S + since, START_S + until)
    return msgspec.structs.replace(made, **more)


def run(fault: FaultPlan, seconds: float, spec: StationSpec = AC_ONE, **options: Any) -> Central:
    central = Central(make_station(spec, faults=(fault,), **options))
    central.connect()
    central.run(seconds)
    return central


@pytest.mark.parametrize("detail", ["GroundFailure CX002", "ConnectorLockFailure CX001", "InternalError"])
def test_a_reported_fault_is_told_and_cleared(detail: str) -> None:
    fault = plan("reported_fault", detail=detail)
    central = run(fault, 2400)
    told = [call for call in central.calls("StatusNotification") if call.payload["status"] == "Faulted"]
    assert [call.at_s - START_S for call in told] == [pytest.approx(100, abs=1)]
    assert told[0].payload["errorCode"] == detail.split(maxsplit=1)[0]
    schema("StatusNotification").validate(told[0].payload)
    after = [call for call in central.calls("StatusNotification") if call.at_s > fault.since_s + 1]
    assert not [call for call in after if call.at_s < START_S + 1999 and call.payload["connectorId"] == 1]
    assert after[0].payload["status"] in {"Available", "Preparing"}
    assert [call for call in central.calls("StartTransaction") if call.at_s > START_S + 2000]


def test_a_reported_fault_ends_the_session_that_runs() -> None:
    central = run(plan("reported_fault"), 120, session_s=(600, 700))
    assert [call.payload["reason"] for call in central.calls("StopTransaction")] == ["Other"]


def test_without_a_network_sessions_go_on_and_are_told_later() -> None:
    fault = plan("offline", detail="link")
    central = run(fault, 1990)
    assert not [call for call in central.said if fault.since_s + 1 < call.at_s]
    central.run(30)
    central.connect()
    central.run(60)
    late = [call for call in central.calls("StopTransaction") if call.at_s > START_S + 2000]
    assert late
    assert not central.calls("BootNotification")[1:]


def test_without_power_sessions_end_and_the_station_boots_again() -> None:
    central = run(plan("offline", detail="power"), 1990, session_s=(600, 700))
    assert not central.connected
    central.run(30)
    central.connect()
    central.run(10)
    assert len(central.calls("BootNotification")) == 2
    stop = central.calls("StopTransaction")[-1].payload
    assert stop["reason"] == "PowerLoss"


def test_no_power_means_charging_without_energy_until_mended() -> None:
    fault = plan("no_power", since=0, until=4000, strength=1.0)
    central = run(fault, 9000, session_s=(400, 500))
    values = central.calls("MeterValues")
    during = [call for call in values if call.at_s < START_S + 4000]
    assert len(during) > 20
    assert {power_w(call.payload) for call in during} == {0}
    assert "Charging" in central.statuses()
    assert len({call.payload["idTag"] for call in central.calls("StartTransaction")}) >= 2
    assert max(power_w(call.payload) for call in values) > 2_000


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_a_rolled_back_register_falls_once_and_stays_down(strength: float) -> None:
    fault = plan("meter_rollback", strength=strength, since=150, until=1e9)
    central = run(fault, 1500, session_s=(1000, 1100))
    readings = [register_wh(call.payload) for call in central.calls("MeterValues")]
    falls = [later - earlier for earlier, later in itertools.pairwise(readings) if later < earlier]
    assert len(falls) == 1
    assert falls[0] == pytest.approx(-500 * 60**strength, abs=80)


def test_a_mended_meter_reads_what_it_should_again() -> None:
    fault = plan("meter_rollback", strength=0.5, since=150, until=600)
    central = run(fault, 1200, session_s=(1000, 1100))
    register = central.station.bays[1].circuit
    assert register.register_wh == pytest.approx(register.energy_wh)


def test_spread_faults_are_seeded_counted_and_inside() -> None:
    specs = with_devices(make_specs(200), 0.5, 1)
    span = {"from_s": START_S, "until_s": START_S + 86_400 * 2}
    plans = spread_faults(specs, seed=3, share_per_day=0.1, **span)
    assert plans == spread_faults(specs, seed=3, share_per_day=0.1, **span)
    assert plans != spread_faults(specs, seed=4, share_per_day=0.1, **span)
    assert len(plans) == 40 >= len(KINDS)
    assert {item.fault for item in plans} == set(KINDS) - {"payment_fault"}  # OCPP 2.1 alone knows payment cards
    assert all(START_S < item.since_s < START_S + 86_400 * 2 for item in plans)


def test_no_share_is_no_fault_and_a_small_one_is_one() -> None:
    span = {"from_s": START_S, "until_s": START_S + 3600}
    assert spread_faults(make_specs(5), seed=1, share_per_day=0, **span) == ()
    assert len(spread_faults(make_specs(5), seed=1, share_per_day=0.01, **span)) == 1


def test_one_station_has_one_fault_at_a_time() -> None:
    plans = spread_faults(make_specs(6), seed=1, share_per_day=1, from_s=START_S, until_s=START_S + 5 * 86_400)
    by_station: dict[str, list[FaultPlan]] = {}
    for item in plans:
        by_station.setdefault(item.station_id, []).append(item)
    for items in by_station.values():
        for earlier, later in itertools.pairwise(items):
            assert earlier.until_s is not None
            assert later.since_s > earlier.until_s


def test_somebody_who_watches_soon_sees_a_reported_fault_that_lasts() -> None:
    plans = live_faults(make_specs(25), seed=1, share=0.08, now_s=START_S, first_after_s=(20, 60), speed=1)
    assert plans[0].fault == "reported_fault"
    assert 20 <= plans[0].since_s - START_S <= 60
    assert plans[0].until_s is not None
    assert plans[0].until_s - plans[0].since_s > 3600
    assert plans[1].since_s - START_S < 2000
    assert live_faults(make_specs(25), seed=1, share=0, now_s=START_S, first_after_s=(20, 60), speed=1) == ()


def test_truth_names_the_cable_where_the_fault_is_in_the_plug() -> None:
    lock = next(
        made
        for seed in range(50)
        if (made := KINDS["reported_fault"].plan(DC, random.Random(seed), START_S, None)).detail.startswith("Conn")
    )
    record = truth_record(lock)
    assert record["asset"] == {"kind": "cable", "id": DC.connectors[(lock.connector_id or 1) - 1].cable_id}
    assert record["until"] is None
    assert record["shown_at"] is None


def test_only_a_request_of_that_connector_in_that_time_shows_a_fault() -> None:
    fault = plan("no_power")
    assert shows(fault, "MeterValues", {"connectorId": 1}, START_S + 150)
    assert not shows(fault, "MeterValues", {"connectorId": 2}, START_S + 150)
    assert not shows(fault, "MeterValues", {"connectorId": 1}, START_S + 50)
    assert not shows(fault, "MeterValues", {"connectorId": 1}, START_S + 2001)
    assert not shows(fault, "Heartbeat", {}, START_S + 150)


def test_faults_laid_down_are_seeded_within_bounds_and_never_two_at_a_station() -> None:
    span = {"from_s": START_S, "until_s": START_S + 20 * 86_400}
    codes = ("plug_resistance", "module_loss", "voltage_range", "meter_jump")
    plans = lay_faults(make_specs(40), seed=5, codes=codes, count=40, strength=(0.4, 0.6), **span)
    assert plans == lay_faults(make_specs(40), seed=5, codes=codes, count=40, strength=(0.4, 0.6), **span)
    assert Counter(item.fault for item in plans) == dict.fromkeys(codes, 10)
    assert all(0.4 <= item.strength <= 0.6 for item in plans)
    assert all(span["from_s"] <= item.since_s < (item.until_s or 0) <= span["until_s"] for item in plans)
    taken = sorted((station, item.since_s, item.until_s or 0) for item in plans for station in item.stations)
    for (one, _, until_s), (next_one, since_s, _) in itertools.pairwise(taken):
        assert one != next_one or since_s > until_s


def test_a_fault_strikes_only_stations_that_can_have_it() -> None:
    specs = with_devices(make_specs(40), 0.5, 1)
    by_id = {spec.station_id: spec for spec in specs}
    span = {"from_s": START_S, "until_s": START_S + 30 * 86_400}
    plans = lay_faults(specs, seed=1, codes=tuple(KINDS), count=4 * len(KINDS), length_factor=0.1, **span)
    assert {item.fault for item in plans} == set(KINDS) - {"payment_fault"}
    for item in plans:
        assert KINDS[item.fault].fits(by_id[item.station_id])
        assert item.asset.kind != "site" or {by_id[one].site_id for one in item.stations} == {item.asset.id}
        assert item.since_s + item.onset_s <= (item.until_s or 0)


def test_who_sees_that_the_vehicle_takes_nothing_gives_up_as_where_nothing_flows() -> None:
    """Whichever side says no, the display says 0 kWh. Only who asked the vehicle to wait is patient."""
    fault = plan("no_energy_sessions", since=0, until=8 * 3600, strength=1.0)
    central = run(fault, 8 * 3600, session_s=(3000, 3600))
    begun = [call.at_s for call in central.calls("StartTransaction")]
    ended = [call.at_s for call in central.calls("StopTransaction")]
    lengths = [end - begin for begin, end in zip(begun, ended, strict=False)]
    assert any(80 <= length <= 310 for length in lengths)  # looked, and left
    assert any(length >= 3000 for length in lengths)  # went away at once


@pytest.mark.parametrize("detail", ["low", "high"])
def test_mains_that_are_at_fault_are_outside_what_en_50160_allows(detail: str) -> None:
    central = run(plan("voltage_range", since=0, until=7200, strength=0.0, detail=detail), 7200)
    volts = [
        float(value["value"])
        for call in central.calls("MeterValues")
        for value in call.payload["meterValue"][0]["sampledValue"]
        if value["measurand"] == "Voltage"
    ]
    mean = sum(volts) / len(volts)
    assert not 207 <= mean <= 253


def test_heat_that_takes_no_power_and_is_not_told_shows_nothing() -> None:
    """Half a fan in March: the models of this maker say no temperatures, and the station gave all it ever gave."""
    bay = make_station(DC).bays[1]
    acts = KINDS["thermal_derate"].acts
    bay.desk.dialect = bay.desk.dialect._replace(temperature=False)
    assert not acts(bay)
    bay.circuit.derate = 0.6
    assert acts(bay)
    bay.circuit.derate, bay.desk.dialect = 1.0, bay.desk.dialect._replace(temperature=True)
    assert acts(bay)


def test_errors_before_the_contacts_stick_are_others() -> None:
    bay = make_station(AC_ONE).bays[1]
    acts = KINDS["welded_contactor"].acts
    bay.circuit.set_contactor(sticks=1.0)
    bay.circuit.close()
    assert not acts(bay)
    bay.circuit.interrupt()
    assert acts(bay)
