"""The electrical side of a connector."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.circuit import Circuit
from simulator.site import make_site
from simulator.spec import StationSpec
from simulator.vehicles import CLASSES, Vehicle
from tests.support.central import AC, DC, START_S

SALOON = CLASSES[2][1]
CITY = CLASSES[0][1]


def make(spec: StationSpec, vehicle: Vehicle = SALOON, soc: float = 0.3, target: float = 0.9) -> Circuit:
    rng = random.Random(5)
    circuit = Circuit(spec, spec.connectors[0], make_site(5, "SITE"), rng, START_S)
    circuit.plug_in(vehicle, soc, target)
    circuit.closed = True
    return circuit


@given(st.sampled_from([AC, DC]), st.lists(st.floats(0.5, 120), min_size=1, max_size=60))
def test_energy_is_power_times_time_exactly(spec: StationSpec, steps: list[float]) -> None:
    circuit, now_s = make(spec), START_S
    before_wh, integral_wh = circuit.energy_wh, 0.0
    for step in steps:
        for part in [30.0] * int(step // 30) + [step % 30]:
            now_s += part
            circuit.advance(now_s)
            integral_wh += circuit.power_w * part / 3600
    assert circuit.energy_wh - before_wh == pytest.approx(integral_wh, rel=1e-3, abs=1e-3)


def test_nothing_flows_through_an_open_contactor() -> None:
    circuit = make(AC)
    circuit.closed = False
    before_wh = circuit.energy_wh
    circuit.advance(START_S + 3600)
    assert (circuit.energy_wh, circuit.power_w, circuit.current_a) == (before_wh, 0, 0)


def test_time_never_runs_backwards() -> None:
    circuit = make(AC)
    circuit.advance(START_S + 600)
    energy_wh = circuit.energy_wh
    circuit.advance(START_S + 300)
    assert circuit.energy_wh == energy_wh


def test_a_vehicle_stops_at_its_target() -> None:
    circuit = make(AC, soc=0.79, target=0.8)
    circuit.advance(START_S + 4 * 3600)
    assert circuit.full
    assert circuit.soc == pytest.approx(0.8, abs=0.01)
    assert circuit.power_w == 0


def test_ac_to_the_brim_tapers() -> None:
    circuit = make(AC, soc=0.93, target=1.0)
    powers = []
    for minute in range(1, 240):
        circuit.advance(START_S + 60 * minute)
        powers.append(circuit.power_w)
    assert max(powers) > 9_000
    assert any(0 < power < 2_000 for power in powers)
    assert circuit.soc == pytest.approx(1.0)


def test_a_one_phase_vehicle_loads_one_phase() -> None:
    circuit = make(AC, CITY)
    circuit.advance(START_S + 300)
    assert circuit.metered_a()[1:] == [0, 0]
    assert circuit.metered_a()[0] > 25
    assert circuit.volts[0] < circuit.volts[1]


def test_dc_power_follows_the_curve_down() -> None:
    circuit = make(DC, soc=0.2, target=0.95)
    shown = {}
    for minute in range(1, 90):
        circuit.advance(START_S + 60 * minute)
        shown.setdefault(round(circuit.soc, 1), circuit.power_w)
    assert shown[0.3] > shown[0.6] > shown[0.8] > 10_000


def test_the_plug_warms_while_it_carries_current() -> None:
    circuit = make(AC)
    cold_c = circuit.plug_c
    circuit.advance(START_S + 1800)
    assert cold_c + 3 < circuit.plug_c < cold_c + 35


def test_the_register_reads_whole_steps() -> None:
    circuit = make(AC)
    circuit.advance(START_S + 500)
    assert circuit.metered_wh(10) % 10 == 0
    assert 0 <= circuit.register_wh - circuit.metered_wh(10) < 10


def test_two_dc_outlets_share_their_rectifier() -> None:
    strong = CLASSES[-1][1]
    left, right = make(DC, strong, soc=0.2), make(DC, strong, soc=0.2)
    left.beside, right.beside = (right,), (left,)
    for circuit in (left, right):
        circuit.advance(START_S + 30)
    assert left.power_w + right.power_w <= DC.max_power_w * 1.02  # noise of the reading
    right.closed = False
    left.advance(START_S + 60)
    alone = left.power_w
    right.closed = True
    left.advance(START_S + 90)
    assert left.power_w <= alone
