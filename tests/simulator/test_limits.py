"""Charging profiles: what they leave a vehicle, in both versions' words, and when it changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from simulator.central import clear_request, limit_request
from simulator.limits import ChargingLimits
from simulator.messages import timestamp
from tests.support.central import AC, START_S, Central, make_station, schema, schema_2x

NONE = (float("inf"), None)


def profile(number: int, unit: str, *periods: dict[str, Any], **more: Any) -> dict[str, Any]:
    schedule = {
        "chargingRateUnit": unit,
        "startSchedule": timestamp(START_S),
        "chargingSchedulePeriod": [*periods],
    }
    return {"chargingProfileId": number, "chargingSchedule": schedule | more}


def test_the_strictest_profile_of_a_connector_counts() -> None:
    limits = ChargingLimits(phases=3, dc=False)
    limits.put(0, profile(1, "A", {"startPeriod": 0, "limit": 20.0}), START_S)
    limits.put(2, profile(2, "W", {"startPeriod": 0, "limit": 6900.0, "numberPhases": 1}), START_S)
    assert limits.at(1, START_S) == (20.0, None)
    assert limits.at(2, START_S) == (10.0, 1)
    limits.put(2, profile(2, "A", {"startPeriod": 0, "limit": 16.0}), START_S)
    assert limits.at(2, START_S) == (16.0, None)
    assert (limits.clear(2), limits.clear(2)) == (True, False)
    assert limits.at(2, START_S) == (20.0, None)


def test_periods_follow_each_other_and_end_with_the_schedule() -> None:
    limits = ChargingLimits(phases=3, dc=False)
    periods = ({"startPeriod": 0, "limit": 8.0}, {"startPeriod": 600, "limit": 24.0})
    limits.put(0, profile(1, "A", *periods, duration=1200), START_S)
    assert [limits.at(1, START_S + s)[0] for s in (-1, 0, 599, 600)] == [float("inf"), 8.0, 8.0, 24.0]
    assert limits.at(1, START_S + 1200) == NONE
    assert limits.changes(START_S) == [START_S + 600, START_S + 1200]


def test_a_battery_has_no_phases() -> None:
    limits = ChargingLimits(phases=3, dc=True)
    limits.put(0, profile(1, "W", {"startPeriod": 0, "limit": 40_000.0}), START_S)
    assert limits.at(1, START_S) == (100.0, None)


def charging(protocol: str) -> Central:
    spec = msgspec.structs.replace(AC, protocol=protocol)
    central = Central(make_station(spec, session_s=(5000, 6000), seed=3))
    central.connect()
    central.run(120)
    return central


def ask(central: Central, request: tuple[str, dict[str, Any]]) -> str:
    action, payload = request
    protocol = central.station.spec.protocol
    old = protocol == "ocpp1.6"
    (schema(action) if old else schema_2x(protocol, f"{action}Request")).validate(payload)
    central.send([2, "ask", action, payload])
    answer = central.answers[-1][2]
    (schema(f"{action}Response") if old else schema_2x(protocol, f"{action}Response")).validate(answer)
    return str(answer["status"])


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
def test_a_station_follows_a_profile_and_forgets_it_when_told(protocol: str) -> None:
    central = charging(protocol)
    circuit = central.station.bays[1].circuit
    before_a = circuit.current_a
    assert before_a > 10
    assert ask(central, limit_request(protocol, 8, central.now_s, 3600, phases=1)) == "Accepted"
    central.run(60)
    assert (circuit.offered_a, circuit.vehicle_phases) == (8.0, 1)
    assert circuit.current_a == pytest.approx(8, rel=0.1)
    assert ask(central, limit_request(protocol, 3, central.now_s, 3600)) == "Accepted"
    central.run(60)
    assert central.station.bays[1].status.value == "SuspendedEVSE"
    assert circuit.current_a == 0
    assert ask(central, clear_request(protocol)) == "Accepted"
    central.run(60)
    assert circuit.current_a == pytest.approx(before_a, rel=0.1)
    assert ask(central, clear_request(protocol)) == "Unknown"


def test_a_profile_that_ends_lets_go_by_itself() -> None:
    central = charging("ocpp1.6")
    ask(central, limit_request("ocpp1.6", 6.5, central.now_s, 300))
    central.run(200)
    assert central.station.bays[1].circuit.offered_a == 6.5
    central.run(200)
    assert central.station.bays[1].circuit.offered_a == 32


@pytest.mark.parametrize("payload", [{}, {"csChargingProfiles": {}}, {"connectorId": "x"}])
def test_what_is_no_profile_is_refused(payload: dict[str, Any]) -> None:
    central = charging("ocpp1.6")
    central.send([2, "ask", "SetChargingProfile", payload])
    assert central.answers[-1][:3] == [4, "ask", "TypeConstraintViolation"]


def test_firmware_gives_a_vehicle_time_to_follow_a_lower_offer() -> None:
    central = charging("ocpp1.6")
    station = central.station
    vehicle = station.bays[1].circuit.vehicle
    assert vehicle is not None
    station.bays[1].circuit.vehicle = vehicle._replace(ramp_s=8.0)
    ask(central, limit_request("ocpp1.6", 6, central.now_s, 3600))
    central.run(120)
    assert {call.payload["errorCode"] for call in central.calls("StatusNotification")} == {"NoError"}
