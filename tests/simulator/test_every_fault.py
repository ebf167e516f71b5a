"""Every fault, in the words of OCPP 1.6 and 2.0.1: it shows, it ends, and the station is as before."""

from __future__ import annotations

import random

import msgspec
import pytest

from laddvakt.domain.stations import ConnectorState
from simulator.defects import Defects, Flaws
from simulator.faults import KINDS, UNNAMED, FaultPlan
from simulator.faults.schedule import of_device, shows, truth_record
from simulator.spec import StationSpec, make_specs, speaking
from tests.support.central import START_S, Central, make_station

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1")
ONLY = {"payment_fault": ("ocpp2.1",)}
"""What only some versions have words for."""
SINCE_S, UNTIL_S = START_S + 1800, START_S + 7200
SILENT = {"offline", "site_outage", "silent_station"}
CATALOGUE = {
    *("reported_fault", "offline", "site_outage", "flapping", "plug_resistance", "plug_overheat"),
    *("supply_resistance", "voltage_range", "phase_loss", "phase_imbalance", "overcurrent", "welded_contactor"),
    *("no_power", "isolation", "rcd_trip", "pilot_proximity", "cut_cable", "lock", "meter_frozen"),
    *("meter_rollback", "meter_jump", "meter_drift", "power_mismatch", "thermal_derate", "module_loss"),
    *("silent_station", "failed_starts", "no_energy_sessions", "stuck_preparing", "stuck_finishing"),
    *("stuck_suspended_evse", "clock_drift", "reader_fault", "payment_fault", "emergency_stop", "non_conforming"),
}


def struck(code: str, protocol: str, *, strength: float = 0.95) -> tuple[StationSpec, FaultPlan]:
    """The first station of a fleet that can have the fault, with devices beside it."""
    specs = speaking(make_specs(12), (protocol,))
    with_devices = [msgspec.structs.replace(spec, devices=True) for spec in specs]
    spec = next(spec for spec in with_devices if KINDS[code].fits(spec))
    plan = KINDS[code].plan(spec, random.Random(7), SINCE_S, UNTIL_S)
    return spec, plan if plan.strength == 1 else msgspec.structs.replace(plan, strength=strength)


def lived(spec: StationSpec, plan: FaultPlan, *, until_s: float = UNTIL_S + 3600) -> Central:
    """A busy station, which comes back whenever its network does."""
    central = Central(make_station(spec, session_s=(300, 900), faults=(plan,), mqtt=True, meter_interval_s=30.0))
    central.connect()
    while central.now_s < until_s:
        central.run(20)
        if not central.connected and central.station.link_wanted:
            central.connect()
    return central


def first_shown_s(central: Central, plan: FaultPlan) -> float | None:
    calls = [call.at_s for call in central.said if shows(plan, call.action, call.payload, call.at_s)]
    devices = [of_device(item.topic, item.payload) for item in central.published]
    return min(calls, default=None) or (SINCE_S if any(shows(plan, *one, SINCE_S) for one in devices) else None)


def test_the_simulator_has_the_catalogue_and_faults_that_it_does_not_name() -> None:
    assert set(KINDS) >= CATALOGUE | UNNAMED
    assert len(UNNAMED) == 3


@pytest.mark.parametrize(
    ("code", "protocol"), [(code, protocol) for code in sorted(KINDS) for protocol in ONLY.get(code, PROTOCOLS)]
)
def test_it_shows_and_it_ends(code: str, protocol: str) -> None:
    spec, plan = struck(code, protocol)
    central = lived(spec, plan)
    assert (first_shown_s(central, plan) is None) == (code in SILENT)
    station = central.station
    for bay in station.bays.values():
        bay.circuit.defects.register_error_wh = 0.0  # what a meter once miscounted stays
        assert bay.circuit.defects == Defects()
        assert bay.flaws == Flaws(start_code=bay.flaws.start_code, stuck_s=bay.flaws.stuck_s)
        assert not bay.circuit.welded
        assert bay.status is not ConnectorState.FAULTED
        assert bay.circuit.rectifier_lost == 0
    assert (station.cabinet.extra_heat, station.cabinet.fan_share) == (0, 1)
    assert (station.clock_offset_s, station.garble, station.link_wanted) == (0, None, True)
    begun = [call for call in central.said if call.action == "StartTransaction"]
    begun += [call for call in central.said if call.payload.get("eventType") == "Started"]
    assert any(call.at_s > UNTIL_S for call in begun)


@pytest.mark.parametrize("code", sorted(KINDS))
def test_the_truth_names_what_is_at_fault(code: str) -> None:
    spec, plan = struck(code, ONLY.get(code, PROTOCOLS)[0])
    record = truth_record(plan)
    assert record["fault"] == code
    assert record["since"] <= record["full_at"] <= record["until"]
    asset = record["asset"]
    match asset["kind"]:
        case "site":
            assert (asset["id"], record["station_id"]) == (spec.site_id, "")
        case "station":
            assert asset["id"] == record["station_id"] == spec.station_id
        case "cable":
            assert asset["id"] == spec.connectors[(plan.connector_id or 0) - 1].cable_id
        case kind:
            assert (kind, asset["id"]) == ("connector", f"{spec.station_id}/{plan.connector_id}")
