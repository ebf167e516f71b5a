"""The electrical side of one connector: vehicle, contactor, meter, plug. Advanced in time, then read."""

from __future__ import annotations

import math
import random
from typing import Any, TypeVar, cast

from simulator import physics
from simulator.defects import Defects
from simulator.site import Site
from simulator.spec import ConnectorSpec, StationSpec
from simulator.vehicles import Vehicle

_STEP_S = 30.0  # longest stretch over which power is held constant
_IDLE_STEP_S = 300.0  # the same without a load: only the air changes
_GHOST_V = 14.0  # what a voltmeter shows on a phase without a fuse, through what hangs on it
_FOLLOWS_S = 30.0  # how long firmware gives a vehicle to follow
_RAMP_S = 4.0  # time constant with which rectifiers follow their target
_RECTIFIER_EFFICIENCY = 0.95
_SUN_K = 6.0  # by which the sun warms a plug that hangs in it
_WET = 0.7  # share of its insulation that a wet outlet loses
_REGISTER_EPOCH_S = 1_767_225_600.0  # 2026-01-01: from here lifetime registers are reckoned
_LIFETIME_LOAD = 0.5  # share of rated power; above what traffic ever draws, so a restarted fleet never counts back

_SENSOR_OPEN_C = -50.0
_SENSOR_SHORT_C = 215.0
_LOOSE = 0.05  # chance that a loose sensor leaps in a reading
_LEAP_K = 90.0
_UNCOOLED = 5.0  # a cooled cable whose pump has stopped warms by this many times its rise more

_Value = TypeVar("_Value")


class Circuit:
    """One connector's wiring. Energy is the exact sum of power times time over its steps.

    A fault changes `defects`; the station calls `close` and `interrupt` and sets `offered_a` and `derate`.
    """

    def __init__(
        self, station: StationSpec, spec: ConnectorSpec, site: Site, rng: random.Random, now_s: float
    ) -> None:
        self.spec = spec
        self.dc = station.current == "DC"
        self.phases = station.phases
        self._rectifier_w = station.max_power_w
        self.rectifier_lost = 0.0  # share of the station's power modules that have failed
        self.beside: tuple[Circuit, ...] = ()  # the station's other outlets, which share its rectifier
        self.site = site
        self.place = site.place
        cable = random.Random(f"supply/{station.station_id}")
        self._supply_ohm = self.place.supply_ohm * cable.uniform(0.6, 1.2)
        self.rotation = 0  # which phase of the grid the station's first is
        self._drawn_a = [0.0, 0.0, 0.0]  # from each phase of the grid
        self.phase_limit: int | None = None  # phases that the load management lets a vehicle have
        self.own_w = 0.0  # what the station itself takes behind this meter: electronics, a heater
        self.compensated_ohm = 0.0  # of the cable whose loss the register leaves out
        self.vehicle: Vehicle | None = None
        self.soc = 0.0
        self.target_soc = 1.0
        self.battery_c = 15.0
        self.closed = False
        self.paused = False  # the vehicle takes nothing, for its own reasons
        self.offered_a = spec.max_current_a
        self.lowered_at_s = -math.inf  # when it was last offered less than before
        self.withheld = False  # the station gives no current, whatever it offers
        self.tells_derating = False
        self.derate = 1.0  # share of the power that the station allows while something is hot
        self.defects = Defects()
        self.welded = False  # the contactor is closed, whatever the station wants
        self._stays_open = False  # the contactor is open, whatever the station wants
        self.current_a = 0.0  # per phase in use (AC), or of the pack (DC)
        self.amps = [0.0] * (1 if self.dc else self.phases)  # what really flows, per phase
        self.volts = [physics.NOMINAL_V] * (1 if self.dc else self.phases)
        self.power_w = 0.0
        self.air_c = site.air_c(now_s)
        self.plug_c = self.air_c
        insulation = random.Random(f"insulation/{station.station_id}/{spec.connector_id}")
        self._insulation_ohm_per_v = 10 ** insulation.uniform(3.7, 4.7)
        self._answers: dict[str, Any] = {}  # what the meter said last
        self._plug = physics.pick_plug(
            rng, rated_a=spec.max_current_a, liquid_cooled=physics.liquid_cooled(spec.max_current_a)
        )
        self._rng = rng
        self._at_s = now_s
        lifetime_h = max(now_s - _REGISTER_EPOCH_S, 0) / 3600
        self.energy_wh = rng.uniform(1e5, 9e5) + spec.max_power_w * _LIFETIME_LOAD * lifetime_h

    @property
    def vehicle_phases(self) -> int:
        """Phases that carry current while this vehicle charges."""
        allowed = self.phases if self.phase_limit is None else min(self.phases, self.phase_limit)
        return min(allowed, self.vehicle.ac_phases) if self.vehicle else allowed

    @property
    def register_wh(self) -> float:
        """What the meter's register stands at, before rounding to its resolution."""
        return self.energy_wh + self.defects.register_error_wh

    @property
    def sensed_plug_c(self) -> float:
        """What the sensor in the plug says."""
        match self.defects.plug_sensor:
            case "open":
                return _SENSOR_OPEN_C
            case "short":
                return _SENSOR_SHORT_C
            case "loose" if self._happens(_LOOSE):
                return self.plug_c + self._rng.uniform(0.4, 1.0) * _LEAP_K
        return self.plug_c

    @property
    def trusted_plug_c(self) -> float:
        """What firmware goes by: it knows a sensor that cannot be right."""
        return self.air_c if self.defects.plug_sensor else self.plug_c

    @property
    def full(self) -> bool:
        return self.soc >= self.target_soc

    def plug_in(self, vehicle: Vehicle, soc: float, target_soc: float) -> None:
        self.vehicle, self.soc, self.target_soc = vehicle, soc, target_soc
        self.paused = False
        driven_k = self._rng.uniform(4, 16)
        self.battery_c = max(self.air_c + driven_k, 22.0 if vehicle.preheats and self.dc else -30.0)

    def close(self) -> None:
        """The station closes its contactor."""
        self.closed = True
        self.withheld = False
        self._stays_open = self._happens(self.defects.contactor_stays_open)

    def interrupt(self) -> None:
        """The station opens its contactor: current is zero at once, unless its contacts are welded."""
        self.closed = False
        self.welded = self.welded or self._happens(self.defects.contactor_sticks)
        if not self.conducting:
            self._no_current()

    def unplug(self) -> None:
        self.closed = False
        self.vehicle = None
        self._no_current()

    def set_contactor(self, *, stays_open: float = 0.0, sticks: float = 0.0) -> None:
        """Its contactor now fails with these chances. One that never does is a new one, and does as it is told."""
        self.defects.contactor_stays_open, self.defects.contactor_sticks = stays_open, sticks
        self._stays_open = self.closed and self._happens(stays_open)
        self.welded = False
        if not self.conducting:
            self._no_current()

    def _no_current(self) -> None:
        self.current_a = self.power_w = 0.0
        self.amps = [0.0] * len(self.amps)
        self._draw()

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._rng.random() < chance

    @property
    def conducting(self) -> bool:
        """Whether the contactor's contacts touch."""
        return self.welded or (self.closed and not self._stays_open)

    @property
    def isolation_ohm_per_v(self) -> float:
        """From the DC outlet to earth, per volt of the highest voltage; infinite for AC. Less when it rains."""
        if not self.dc:
            return math.inf
        sound = self._insulation_ohm_per_v * (1 - _WET * physics.rain(self._at_s, self.place))
        vehicles = self.vehicle.earth_ohm_per_v if self.vehicle else math.inf
        return 1 / (1 / sound + 1 / self.defects.earth_ohm_per_v + 1 / vehicles)

    def advance(self, now_s: float) -> None:
        """Lets time pass until `now_s`; earlier times are ignored."""
        longest_s = _STEP_S if self.conducting else _IDLE_STEP_S
        while self._at_s < now_s:
            step_s = min(longest_s, now_s - self._at_s)
            self._at_s += step_s
            self._step(step_s)

    def _step(self, dt_s: float) -> None:
        at_s = self._at_s
        self.air_c = self.site.air_c(at_s)
        target_a = self._demand_a()
        if target_a:
            ramp_s = _RAMP_S if self.dc or self.vehicle is None else self.vehicle.ramp_s
            self.current_a = physics.approach(self.current_a, target_a, dt_s, ramp_s)
        else:
            self.current_a = 0.0
        if self.dc:
            self._dc_power()
        else:
            self._ac_power(self.site.grid_v(at_s))
        self._draw()
        self._warm(at_s, dt_s)
        if self.own_w:
            self.energy_wh += self.own_w * dt_s / 3600
        wh = self.power_w * dt_s / 3600
        self.energy_wh += wh
        self._count(wh)
        if self.vehicle is not None and wh:
            stored_wh = wh * (0.96 if self.dc else self.vehicle.charger_efficiency)
            self.soc = min(self.soc + stored_wh / self.vehicle.battery_wh, 1.0)
            self.battery_c += 14.0 * stored_wh / self.vehicle.battery_wh  # warms by some 10 K over a full charge

    def _warm(self, at_s: float, dt_s: float) -> None:
        """The plug, by the current in its pins; the sun, the wind and its own copper change how much."""
        air_c = self.air_c + _SUN_K * physics.sun(at_s, self.place)
        if not self.current_a:
            self.plug_c = self._plug.step(self.plug_c, air_c, 0.0, dt_s)
            return
        worse = self._contact_heat() * physics.copper(self.plug_c) / physics.wind(at_s, self.place)
        self.plug_c = self._plug.step(self.plug_c, air_c, physics.pin_a(self.amps), dt_s, worse)

    def _draw(self) -> None:
        """Tells the site what this circuit takes from each phase of the grid."""
        drawn = self._drawn_a
        if self.dc:
            share_a = self.power_w / (3 * physics.NOMINAL_V * _RECTIFIER_EFFICIENCY)
            now_a = [share_a, share_a, share_a]
        else:
            now_a = [*self.amps, 0.0, 0.0][:3]
        if now_a == drawn:
            return
        for phase in range(3):
            self.site.take((phase + self.rotation) % 3, now_a[phase] - drawn[phase])
        self._drawn_a = now_a

    def _demand_a(self) -> float:
        vehicle = self.vehicle
        if vehicle is None or not self.conducting or self.paused or self.full:
            return 0.0
        if not self.dc:
            return self._inlet_share(vehicle) * physics.ac_demand_a(
                vehicle, self.soc, self.allowed_a, self.battery_c
            )
        if self.allowed_a <= 0:
            return 0.0
        wanted_w = min(physics.dc_demand_w(vehicle, self.soc, self.battery_c), self._rectifiers_w)
        return min(wanted_w / vehicle.pack_voltage(self.soc), self.allowed_a) * self._inlet_share(vehicle)

    def _inlet_share(self, vehicle: Vehicle) -> float:
        """What a vehicle still takes when its inlet gets hot: it feels the same contacts as the plug does."""
        return 1.0 - 0.7 * min(max((self.plug_c - vehicle.inlet_guard_c) / 10.0, 0.0), 1.0)

    @property
    def _rectifiers_w(self) -> float:
        """What they can give this outlet."""
        rectifier_w = self._rectifier_w * (1 - self.rectifier_lost) * self.derate
        return min(self.spec.max_power_w, rectifier_w / (1 + sum(c.closed for c in self.beside)))

    @property
    def wants_more(self) -> bool:
        """Whether the vehicle would take more than the rectifiers can give."""
        vehicle = self.vehicle
        if vehicle is None or not self.current_a:
            return False
        return physics.dc_demand_w(vehicle, self.soc, self.battery_c) > self._rectifiers_w

    @property
    def adjusting(self) -> bool:
        """Whether the vehicle may still be about to follow a lower offer."""
        return self._at_s - self.lowered_at_s < _FOLLOWS_S

    @property
    def allowed_a(self) -> float:
        """What the pilot really tells the vehicle that it may take."""
        return 0.0 if self.withheld else self.offered_a * self.derate * self.defects.pilot_gain

    @property
    def told_offer_a(self) -> float:
        """What the station says that it offers; some firmware leaves out that it has derated."""
        return self.offered_a * (self.derate if self.tells_derating else 1.0)

    def _contact_heat(self) -> float:
        """How many times as much as when new the plug warms."""
        inlet = self.vehicle.inlet_wear if self.vehicle else 0.0
        contacts = 1 + inlet + self.defects.contact_ohm / physics.contact_ohm(self.spec.max_current_a)
        return contacts * (1 + _UNCOOLED * self.defects.cooling_lost)

    def _ac_power(self, grid_v: tuple[float, float, float]) -> None:
        """Voltages sag by this station's own current in its own supply, and by the whole site's in the shared."""
        defects = self.defects
        if self.current_a:
            used = set(range(self.vehicle_phases)) - defects.blown - defects.open_poles
            self.current_a *= self._rng.gauss(1.0, 0.004) if used else 0.0
            amps = [self.current_a if phase in used else 0.0 for phase in range(self.phases)]
        else:
            amps = [0.0] * self.phases
        self.amps = amps
        mine = amps
        for other in self.beside:
            mine = [one + two for one, two in zip(mine, other.amps, strict=True)]
        site_a, site_loaded, loaded = self.site.load_a, any(self.site.load_a), any(mine)
        for phase in range(self.phases):
            on_grid = (phase + self.rotation) % 3
            volts = grid_v[on_grid] + self.site.offset_v[on_grid] + defects.phase_offset_v[phase]
            if site_loaded:
                volts -= physics.drop_v(site_a, on_grid, self.place.shared_ohm)
            if loaded:
                volts -= physics.drop_v(mine, phase, self._supply_ohm) + defects.supply_ohm[phase] * mine[phase]
            self.volts[phase] = _GHOST_V if phase in defects.blown else volts
        factor = self.vehicle.power_factor if self.vehicle else 1.0
        self.power_w = sum(v * a for v, a in zip(self.volts, amps, strict=True)) * factor

    def _dc_power(self) -> None:
        vehicle = self.vehicle
        if vehicle is None or not self.current_a:
            self.volts[0] = self.amps[0] = self.power_w = 0.0
            return
        self.current_a *= self._rng.gauss(1.0, 0.003 + self.defects.ripple)
        self.amps[0] = self.current_a
        pack_ohm = 0.035 * vehicle.pack_v[1] / 400
        self.volts[0] = vehicle.pack_voltage(self.soc) + pack_ohm * self.current_a
        self.power_w = self.volts[0] * self.current_a

    # The meter.

    def _count(self, wh: float) -> None:
        defects = self.defects
        if not wh:
            return
        if self.compensated_ohm:
            wh_out = wh * (1 - self.compensated_ohm * physics.pin_a(self.amps) ** 2 / self.power_w)
        else:
            wh_out = wh
        counted_wh = 0.0 if defects.frozen == "register" else wh_out * defects.register_gain * self._gain
        defects.register_error_wh += counted_wh - wh

    @property
    def _gain(self) -> float:
        """Of power and energy."""
        return self.defects.meter_gain * self.defects.voltage_gain

    def metered_w(self) -> float:
        """Power as the meter shows it now."""
        return self._says("w", (self.power_w + self.own_w) * self._gain * self._noise(0.0015))

    def metered_wh(self, step_wh: int) -> int:
        """The register as it reads: whole steps of its resolution."""
        return self._says("wh", math.floor(self.register_wh / step_wh) * step_wh)

    def metered_a(self) -> list[float]:
        """Current per phase as shown; one value for DC."""
        gain = self.defects.meter_gain * self.defects.current_gain
        noise = 0.002 if self.dc else 0.004
        shown = [a * gain * self._noise(noise) if a else 0.0 for a in self.supply_amps]
        return self._says("a", shown)

    @property
    def supply_amps(self) -> list[float]:
        """What really flows through the meter, per phase: the outlet's, and what the station takes itself."""
        if not self.own_w:
            return self.amps
        return [self.amps[0] + self.own_w / physics.NOMINAL_V, *self.amps[1:]]

    def metered_v(self) -> list[float]:
        """Voltage per phase as shown; one value for DC."""
        gain = self.defects.voltage_gain
        return self._says("v", [volt * gain + self._rng.gauss(0, 0.15) if volt else 0.0 for volt in self.volts])

    def _says(self, what: str, value: _Value) -> _Value:
        """With a dead line to its meter, a station repeats the last answer."""
        if self.defects.frozen != "link":
            self._answers[what] = value
        return cast("_Value", self._answers.setdefault(what, value))

    def _noise(self, sigma: float) -> float:
        return self._rng.gauss(1.0, sigma)
