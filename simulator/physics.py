"""Physics of charging: what flows, how voltages sag, how things warm up. Pure; SI units; time in UTC seconds.

Sources: IEC 61851-1 (least current of 6 A, and 5 s in which a vehicle follows its pilot); EN 50160 (230 V, within
10 %, unbalance up to 2 %); IEC TR 60725 (nine in ten homes have no more than 0.24 ohm in a phase and 0.16 ohm in
the neutral; car parks are stiffer); IEC 60364-5-52 (cables are laid for a drop of some percent); IEC 62196-1
(terminals may warm by 50 K); IEC 60228 (copper: 0.39 %/K).
"""

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
    supply_ohm: float  # resistance per phase from the site's board to the station's terminals
    indoors: bool
    utc_offset_h: float = 1.0
    shared_ohm: float = 0.0  # resistance per phase from the transformer to the site's board
    skew_v: tuple[float, float, float] = (0.0, 0.7, -0.5)  # what the neighbours do to each phase, on the average
    level_v: float = 0.0  # how far from the transformer, and how it is set
    restless_v: float = 0.9  # how much the neighbours' loads come and go


def pick_surroundings(rng: random.Random) -> Surroundings:
    """A place: most have a stiff supply, some a long cable."""
    return Surroundings(
        weather_phase=rng.uniform(0, math.tau),
        grid_phase=rng.uniform(0, math.tau),
        supply_ohm=rng.uniform(0.02, 0.1),
        indoors=rng.random() < 0.15,
        shared_ohm=rng.uniform(0.005, 0.03),
        skew_v=(rng.gauss(0, 0.8), rng.gauss(0, 0.8), rng.gauss(0, 0.8)),
        level_v=rng.uniform(-3.0, 3.0),
        restless_v=rng.uniform(0.5, 1.8),
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


def rain(now_s: float, place: Surroundings) -> float:
    """How wet it is, 0 (dry) .. 1 (pouring): hours of rain in spells of days, none indoors."""
    if place.indoors:
        return 0.0
    spell = math.sin(math.tau * now_s / (4.1 * _DAY_S) + 2 * place.weather_phase)
    shower = math.sin(math.tau * now_s / (0.31 * _DAY_S) + 3 * place.weather_phase)
    return min(max(spell + 0.6 * shower - 0.55, 0.0), 1.0)


def sun(now_s: float, place: Surroundings) -> float:
    """How much the sun warms what it shines on, 0 .. 1."""
    if place.indoors:
        return 0.0
    height = -math.cos(math.tau * local_hour(now_s, place.utc_offset_h) / 24)
    if height <= 0:
        return 0.0
    season = 0.55 - 0.45 * math.cos(math.tau * (now_s - 10 * _DAY_S) / _YEAR_S)
    return height * season * (1 - rain(now_s, place))


def wind(now_s: float, place: Surroundings) -> float:
    """How much better than still air the wind cools: 1 .. 1.3."""
    if place.indoors:
        return 1.0
    return 1.15 + 0.15 * math.sin(now_s / 5400 + place.weather_phase) * math.sin(now_s / 31_000)


def grid_v(now_s: float, place: Surroundings) -> float:
    """Phase-to-neutral voltage without our own load: high at night, low at supper, never quite still. The
    transformer's tap changer steps by one percent now and then."""
    hour = local_hour(now_s, place.utc_offset_h)
    evening = math.exp(-(((hour - 18.5) / 2.6) ** 2))
    slow = math.sin(math.tau * now_s / 1700 + place.grid_phase) + 0.6 * math.sin(math.tau * now_s / 410)
    tap = round(0.8 * math.sin(now_s / 9300 + 5 * place.grid_phase))
    return NOMINAL_V + 3.0 + place.level_v - 5.0 * evening + place.restless_v * slow + 1.15 * tap


def phase_v(now_s: float, place: Surroundings) -> tuple[float, float, float]:
    """The same for each phase: neighbours' kettles and heat pumps load one of them for some minutes."""
    base_v = grid_v(now_s, place)
    skew = place.skew_v
    return (
        base_v + skew[0] - _kettle_v(now_s, place, 1),
        base_v + skew[1] - _kettle_v(now_s, place, 2),
        base_v + skew[2] - _kettle_v(now_s, place, 3),
    )


def _kettle_v(now_s: float, place: Surroundings, phase: int) -> float:
    noise = math.sin((now_s // 240) * 12.9898 + phase * 78.233 + 7 * place.grid_phase) * 43_758.5453
    return 1.6 * place.restless_v * (noise - math.floor(noise)) ** 4


def drop_v(amps: list[float], phase: int, ohm: float) -> float:
    """Voltage that a cable takes from one of three phases, the neutral (as thick as a phase) included: a lone
    phase loses twice, and lifts the other two."""
    own_a = amps[phase]
    return ohm * (2 * own_a - (sum(amps) - own_a) / 2) if len(amps) == 3 else 2 * ohm * own_a


def terminal_v(open_v: float, current_a: float, supply_ohm: float) -> float:
    """Voltage at the station's terminals under its own load."""
    return open_v - current_a * supply_ohm


def ac_demand_a(vehicle: Vehicle, soc: float, offered_a: float, battery_c: float = 20.0) -> float:
    """Current per phase that the on-board charger takes. It tapers over the last few percent, when the cells
    have reached their final voltage, takes less in hard frost, and nothing when full or when less than the least
    is offered."""
    if offered_a < _MIN_PILOT_A or soc >= 1.0:
        return 0.0
    wanted_a = min(vehicle.ac_max_a, offered_a * vehicle.modesty)
    if battery_c < 0:
        wanted_a *= max(1.0 + battery_c / 25, 0.4)
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
    """A plug that warms by 15..30 K at its rated current (cooled cables: 12..20 K), after a quarter of an hour:
    each has its own contacts, crimps, place of the sensor, and wear."""
    rise_k = rng.uniform(12, 20) if liquid_cooled else min(max(rng.lognormvariate(math.log(22), 0.17), 15), 34)
    return Thermal(kelvin_per_a2=rise_k / rated_a**2, time_constant_s=rng.uniform(600, 1100))


def pin_a(amps: list[float]) -> float:
    """Current that, in all three phases, would warm a plug as much: each pin by its own current squared, the
    neutral's (the vector sum of the phases') included."""
    if len(amps) != 3:
        return amps[0]
    one, two, three = amps
    squares = one * one + two * two + three * three
    neutral = squares - one * two - two * three - three * one
    return math.sqrt((squares + max(neutral, 0.0)) / 3)


def copper(temperature_c: float) -> float:
    """Resistance of copper against that at 40 degrees, the mean of warm contacts."""
    return 1 + 0.0039 * (temperature_c - 40)


def cabinet_target_c(air_c: float, power_w: float, rated_w: float, *, dc: bool) -> float:
    """Where a cabinet's temperature is heading: losses of rectifiers (DC) or relays and electronics (AC)."""
    rise_k = (28.0 if dc else 11.0) * power_w / rated_w
    return air_c + 5.0 + rise_k


def fan_rpm(cabinet_c: float, *, dc: bool) -> float:
    """Fans of DC cabinets start at 28 degrees and are flat out at 55. AC posts have none."""
    if not dc or cabinet_c < 28:
        return 0.0
    return 900 + 3300 * min((cabinet_c - 28) / 27, 1.0)
