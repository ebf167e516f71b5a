"""The electrical side of one connector: vehicle, contactor, meter, plug. Advanced in time, then read."""

from __future__ import annotations

import math
import random

from simulator import physics
from simulator.physics import Surroundings
from simulator.spec import ConnectorSpec, StationSpec
from simulator.vehicles import Vehicle

_STEP_S = 30.0  # longest stretch over which power is held constant
_IDLE_STEP_S = 300.0  # the same without a load: only the air changes
_RAMP_S = 4.0  # time constant with which chargers follow their target
_REGISTER_EPOCH_S = 1_767_225_600.0  # 2026-01-01: from here lifetime registers are reckoned
_LIFETIME_LOAD = 0.5  # share of rated power; above what traffic ever draws, so a restarted fleet never counts back


class Circuit:
    """One connector's wiring. Energy is the exact sum of power times time over its steps.

    A fault sets `contactor_fails`, `register_error_wh`; the station sets `closed` and `offered_a`.
    """

    def __init__(
        self, station: StationSpec, spec: ConnectorSpec, place: Surroundings, rng: random.Random, now_s: float
    ) -> None:
        self.spec = spec
        self.dc = station.current == "DC"
        self.phases = station.phases
        self._rectifier_w = station.max_power_w
        self.beside: tuple[Circuit, ...] = ()  # the station's other outlets, which share its rectifier
        self.place = place
        self.vehicle: Vehicle | None = None
        self.soc = 0.0
        self.target_soc = 1.0
        self.battery_c = 15.0
        self.closed = False
        self.paused = False  # the vehicle takes nothing, for its own reasons
        self.offered_a = spec.max_current_a
        self.contactor_fails = False
        self.register_error_wh = 0.0
        self.current_a = 0.0  # per phase in use (AC), or of the pack (DC)
        self.volts = [physics.NOMINAL_V] * (1 if self.dc else self.phases)
        self.power_w = 0.0
        self.air_c = physics.ambient_c(now_s, place)
        self.plug_c = self.air_c
        self._plug = physics.pick_plug(rng, rated_a=spec.max_current_a, liquid_cooled=spec.max_current_a > 250)
        self._rng = rng
        self._at_s = now_s
        lifetime_h = max(now_s - _REGISTER_EPOCH_S, 0) / 3600
        self.energy_wh = rng.uniform(1e5, 9e5) + spec.max_power_w * _LIFETIME_LOAD * lifetime_h

    @property
    def vehicle_phases(self) -> int:
        """Phases that carry current while this vehicle charges."""
        return min(self.phases, self.vehicle.ac_phases) if self.vehicle else self.phases

    @property
    def register_wh(self) -> float:
        """What the meter's register stands at, before rounding to its resolution."""
        return self.energy_wh + self.register_error_wh

    @property
    def full(self) -> bool:
        return self.soc >= self.target_soc

    def plug_in(self, vehicle: Vehicle, soc: float, target_soc: float) -> None:
        self.vehicle, self.soc, self.target_soc = vehicle, soc, target_soc
        self.paused = False
        driven_k = self._rng.uniform(4, 16)
        self.battery_c = max(self.air_c + driven_k, 22.0 if vehicle.preheats and self.dc else -30.0)

    def interrupt(self) -> None:
        """The contactor opens: current is zero at once."""
        self.closed = False
        self.current_a = 0.0
        self.power_w = 0.0

    def unplug(self) -> None:
        self.interrupt()
        self.vehicle = None

    def advance(self, now_s: float) -> None:
        """Lets time pass until `now_s`; earlier times are ignored."""
        longest_s = _STEP_S if self.closed else _IDLE_STEP_S
        while self._at_s < now_s:
            step_s = min(longest_s, now_s - self._at_s)
            self._at_s += step_s
            self._step(step_s)

    def _step(self, dt_s: float) -> None:
        self.air_c = physics.ambient_c(self._at_s, self.place)
        open_v = physics.grid_v(self._at_s, self.place)
        target_a = self._demand_a()
        self.current_a = physics.approach(self.current_a, target_a, dt_s, _RAMP_S) if target_a else 0.0
        if self.dc:
            self._dc_power()
        else:
            self._ac_power(open_v)
        self.plug_c = self._plug.step(self.plug_c, self.air_c, self.current_a, dt_s)
        wh = self.power_w * dt_s / 3600
        self.energy_wh += wh
        if self.vehicle is not None and wh:
            stored_wh = wh * (0.96 if self.dc else self.vehicle.charger_efficiency)
            self.soc = min(self.soc + stored_wh / self.vehicle.battery_wh, 1.0)
            self.battery_c += 14.0 * stored_wh / self.vehicle.battery_wh  # warms by some 10 K over a full charge

    def _demand_a(self) -> float:
        vehicle = self.vehicle
        if vehicle is None or not self.closed or self.contactor_fails or self.paused or self.full:
            return 0.0
        if not self.dc:
            return physics.ac_demand_a(vehicle, self.soc, self.offered_a)
        if self.offered_a <= 0:
            return 0.0
        limit_w = min(self.spec.max_power_w, self._rectifier_w / (1 + sum(c.closed for c in self.beside)))
        wanted_w = min(physics.dc_demand_w(vehicle, self.soc, self.battery_c), limit_w)
        return min(wanted_w / vehicle.pack_voltage(self.soc), self.offered_a)

    def _ac_power(self, open_v: float) -> None:
        used = self.vehicle_phases if self.current_a else 0
        jitter = self._rng.gauss(1.0, 0.004) if self.current_a else 1.0
        self.current_a *= jitter
        for phase in range(self.phases):
            loaded_a = self.current_a if phase < used else 0.0
            skew_v = (0.0, 0.7, -0.5)[phase % 3]
            self.volts[phase] = physics.terminal_v(open_v + skew_v, loaded_a, self.place.supply_ohm)
        factor = self.vehicle.power_factor if self.vehicle else 1.0
        self.power_w = sum(self.volts[:used]) * self.current_a * factor

    def _dc_power(self) -> None:
        vehicle = self.vehicle
        if vehicle is None or not self.current_a:
            self.volts[0] = 0.0
            self.power_w = 0.0
            return
        self.current_a *= self._rng.gauss(1.0, 0.003)
        pack_ohm = 0.035 * vehicle.pack_v[1] / 400
        self.volts[0] = vehicle.pack_voltage(self.soc) + pack_ohm * self.current_a
        self.power_w = self.volts[0] * self.current_a

    def metered_w(self) -> float:
        """Power as the meter shows it now."""
        return self.power_w * self._noise(0.0015)

    def metered_wh(self, step_wh: int) -> int:
        """The register as it reads: whole steps of its resolution."""
        return math.floor(self.register_wh / step_wh) * step_wh

    def metered_a(self) -> list[float]:
        """Current per phase as shown; one value for DC."""
        if self.dc:
            return [self.current_a * self._noise(0.002)]
        used = self.vehicle_phases
        return [self.current_a * self._noise(0.004) if phase < used else 0.0 for phase in range(self.phases)]

    def metered_v(self) -> list[float]:
        """Voltage per phase as shown; one value for DC."""
        return [volt + self._rng.gauss(0, 0.15) if volt else 0.0 for volt in self.volts]

    def _noise(self, sigma: float) -> float:
        return self._rng.gauss(1.0, sigma)
