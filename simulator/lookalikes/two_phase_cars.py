"""Vehicles whose charger takes two phases of three."""

from __future__ import annotations

from simulator.lookalikes.base import drives, guests, of_connector, one_of
from simulator.spec import three_phase

KIND = of_connector(
    "two_phase_cars",
    guests(one_of(0.7, lambda visit, rng: drives(visit, ac_phases=2, ac_max_a=16.0))),
    days=3,
    fits=three_phase,
)
