"""Vehicles with a one-phase charger at a three-phase outlet: two phases carry nothing, as they should."""

from __future__ import annotations

from simulator.lookalikes.base import drives, guests, of_connector, one_of
from simulator.spec import three_phase

KIND = of_connector(
    "one_phase_cars",
    guests(one_of(0.7, lambda visit, rng: drives(visit, ac_phases=1, ac_max_a=rng.choice((16.0, 32.0))))),
    days=3,
    fits=three_phase,
)
