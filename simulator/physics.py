"""Physics of charging: what flows, how voltages sag, how things warm up. Pure; SI units; time in UTC seconds."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

from simulator.vehicles import Vehicle

NOMINAL_V = 230.0
_DAY_S = 86_400.0
_YEAR_S = 365.25 * _DAY_S
_MIN_PILOT_A = 6.0  # IEC 61851-1: below this no current may be offered


class Surroundings(NamedTuple):
    """What makes one place different from another."""

    weather_phase: float  # radians
    grid_phase: float  # radians
    supply_ohm: float  # resistance per phase from the grid to the station's terminals
    indoors: bool
    utc_offset_h: float = 1.0


def pick_surroundings(rng: random.Random) -> Surroundings:
    """A place: most have a stiff supply, some a long cable."""
    return Surroundings(
        weather_phase=rng.uniform(0, math.tau),
        grid_phase=rng.uniform(0, math.tau),
        supply_ohm=rng.uniform(0.03, 0.16),
        indoors=rng.random() < 0.15,
    )


def local_hour(now_s: float, utc_offset_h: float) -> float:
    """Hour of the day, 0 .. 24, standard time."""
    return (now_s / 3600 + utc_offset_h) % 24


def ambient_c(now_s: float, place: Surroundings) -> float:
    """Air temperature in degrees Celsius: season, time of day and weather passing through over days."""
    season = 8.5 - 9.5 * math.cos(math.tau * (now_s - 20 * _DAY_S) / _YEAR_S)
    daily = -math.cos(math.tau * (local_hour(now_s, place.utc_offset_h) - 3) / 24)
    weather = math.sin(math.tau * now_s / (5.3 * _DAY_S) + place.weather_phase)
    if place.indoors:
        return 16.0 + 0.25 * season + 0.5 * daily
    return season + 3.2 * daily + 3.0 * weather


def grid_v(now_s: float, place: Surroundings) -> float:
    """Phase-to-neutral voltage without our own load: high at night, low at supper, never quite still."""
    hour = local_hour(now_s, place.utc_offset_h)
    evening = math.exp(-(((hour - 18.5) / 2.6) ** 2))
    slow = math.sin(math.tau * now_s / 1700 + place.grid_phase) + 0.6 * math.sin(math.tau * now_s / 410)
    return NOMINAL_V + 3.0 - 5.0 * evening + 0.9 * slow


def terminal_v(open_v: float, current_a: float, supply_ohm: float) -> float:
    """Voltage at the station's terminals under its own load."""
    return open_v - current_a * supply_ohm


def ac_demand_a(vehicle: Vehicle, soc: float, offered_a: float) -> float:
    """Current per phase that the on-board charger takes. It tapers over the last few percent, when the cells
    have reached their final voltage, and takes nothing when full or when less than the least is offered."""
    if offered_a < _MIN_PILOT_A or soc >= 1.0:
        return 0.0
    wanted_a = min(vehicle.ac_max_a, offered_a)
    if soc < 0.965:
        return wanted_a
    return wanted_a * max(math.exp(-(soc - 0.965) / 0.014), 0.06)


def cold_share(battery_c: float) -> float:
    """Share of its charging power that a battery of this temperature allows: lithium plating limits the cold."""
    return 1.0 / (1.0 + math.exp(-(battery_c - 9.0) / 5.5))


def dc_demand_w(vehicle: Vehicle, soc: float, battery_c: float) -> float:
    """Power that the vehicle asks a fast charger for."""
    if soc >= 1.0:
        return 0.0
    return vehicle.dc_max_w * vehicle.dc_share(soc) * cold_share(battery_c)


def approach(value: float, target: float, dt_s: float, time_constant_s: float) -> float:
    """First-order lag, exact for a constant target over any step."""
    return target + (value - target) * math.exp(-dt_s / time_constant_s)


class Thermal(NamedTuple):
    """A body that is warmed by current squared and cooled by the air."""

    kelvin_per_a2: float
    time_constant_s: float

    def step(self, temperature_c: float, air_c: float, current_a: float, dt_s: float, worse: float = 1.0) -> float:
        """Temperature after `dt_s` of constant current, degrees Celsius. `worse`: how many times as much heat as
        when new."""
        heated_c = air_c + self.kelvin_per_a2 * worse * current_a**2
        return approach(temperature_c, heated_c, dt_s, self.time_constant_s)


def liquid_cooled(rated_a: float) -> bool:
    """Cables for more than this are cooled by a pump."""
    return rated_a > 250


def contact_ohm(rated_a: float) -> float:
    """Resistance of a new plug's contacts: some 60 mV at the rated current, whatever the size."""
    return 0.06 / rated_a


def pick_plug(rng: random.Random, *, rated_a: float, liquid_cooled: bool) -> Thermal:
    """A plug that warms by 18..30 K at its rated current (cooled cables: 12..20 K), after a quarter of an hour."""
    rise_k = rng.uniform(12, 20) if liquid_cooled else rng.uniform(18, 30)
    return Thermal(kelvin_per_a2=rise_k / rated_a**2, time_constant_s=rng.uniform(600, 1100))


def cabinet_target_c(air_c: float, power_w: float, rated_w: float, *, dc: bool) -> float:
    """Where a cabinet's temperature is heading: losses of rectifiers (DC) or relays and electronics (AC)."""
    rise_k = (28.0 if dc else 11.0) * power_w / rated_w
    return air_c + 5.0 + rise_k


def fan_rpm(cabinet_c: float, *, dc: bool) -> float:
    """Fans of DC cabinets start at 28 degrees and are flat out at 55. AC posts have none."""
    if not dc or cabinet_c < 28:
        return 0.0
    return 900 + 3300 * min((cabinet_c - 28) / 27, 1.0)
