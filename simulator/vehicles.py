"""Vehicles: batteries, on-board chargers and what each accepts over its state of charge.

The figures are of the kind that makers publish, made up per class; no row is one particular car.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from typing import NamedTuple


class Vehicle(NamedTuple):
    """One vehicle's habits. State of charge is a fraction 0..1; `dc_curve` maps it to a share of `dc_max_w`."""

    name: str
    battery_wh: float
    ac_phases: int
    ac_max_a: float
    dc_max_w: float
    dc_curve: tuple[tuple[float, float], ...]
    pack_v: tuple[float, float]  # empty, full
    charger_efficiency: float = 0.9
    power_factor: float = 0.99
    preheats: bool = True  # warms its battery on the way to a fast charger
    modesty: float = 1.0  # share of the offered current that it takes: makers leave a margin
    ramp_s: float = 4.0  # time constant with which its charger follows (IEC 61851-1 gives it 5 s)
    inlet_guard_c: float = math.inf  # temperature of its contacts from which it takes less
    inlet_wear: float = 0.0  # resistance that its inlet's contacts add, as a share of a new plug's
    leak_ma: float = 0.0  # residual current of its charger and its filters
    earth_ohm_per_v: float = math.inf  # a path from its battery to earth

    def dc_share(self, soc: float) -> float:
        """Share of `dc_max_w` that a warm battery takes at this state of charge."""
        return interpolate(self.dc_curve, soc)

    def pack_voltage(self, soc: float) -> float:
        """Open battery voltage, volts."""
        empty, full = self.pack_v
        return empty + (full - empty) * (0.25 * min(soc / 0.15, 1.0) + 0.75 * soc)


def interpolate(curve: tuple[tuple[float, float], ...], x: float) -> float:
    """Piecewise linear, held flat beyond both ends."""
    index = bisect_right(curve, (x, float("inf")))
    if index == 0:
        return curve[0][1]
    if index == len(curve):
        return curve[-1][1]
    (x0, y0), (x1, y1) = curve[index - 1], curve[index]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


_EARLY_PEAK = ((0.0, 0.7), (0.05, 1.0), (0.3, 0.95), (0.5, 0.65), (0.7, 0.42), (0.85, 0.24), (1.0, 0.04))
_PLATEAU = ((0.0, 0.75), (0.08, 0.98), (0.5, 1.0), (0.62, 0.85), (0.8, 0.5), (0.9, 0.22), (1.0, 0.05))
_FLAT = ((0.0, 0.9), (0.7, 1.0), (0.8, 0.75), (0.9, 0.35), (1.0, 0.06))

CLASSES: tuple[tuple[float, Vehicle], ...] = (
    (0.18, Vehicle("city car", 38_000, 1, 32, 50_000, _FLAT, (310, 400), 0.88, preheats=False)),
    (0.25, Vehicle("small hatch", 58_000, 3, 16, 120_000, _PLATEAU, (320, 410))),
    (0.22, Vehicle("saloon", 75_000, 3, 16, 190_000, _EARLY_PEAK, (330, 410), 0.92)),
    (0.12, Vehicle("family van", 82_000, 3, 16, 135_000, _PLATEAU, (330, 420))),
    (0.10, Vehicle("800 V tourer", 77_000, 3, 16, 230_000, _PLATEAU, (600, 800), 0.92)),
    (0.05, Vehicle("fast-AC hatch", 52_000, 3, 32, 46_000, _FLAT, (300, 400))),
    (0.08, Vehicle("plug-in hybrid", 13_000, 1, 16, 0, _FLAT, (280, 390), 0.86, 0.97, preheats=False)),
)


def pick_vehicle(rng: random.Random) -> Vehicle:
    """A vehicle of the mix on the road, each with its own small spread."""
    weights = [share for share, _ in CLASSES]
    vehicle = rng.choices([item for _, item in CLASSES], weights)[0]
    return vehicle._replace(
        battery_wh=vehicle.battery_wh * rng.uniform(0.86, 1.0),  # age
        dc_max_w=vehicle.dc_max_w * rng.uniform(0.93, 1.0),
        power_factor=vehicle.power_factor * rng.uniform(0.985, 1.0),
        modesty=rng.choice((1.0, 1.0, 0.99, 0.97, 0.94)),
        ramp_s=rng.uniform(2.0, 6.0),
        inlet_wear=abs(rng.gauss(0, 0.06)),
        leak_ma=rng.uniform(0.3, 3.5),
    )
