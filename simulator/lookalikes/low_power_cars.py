"""Vehicles that take little: an old city car at a fast charger, a hybrid at a post."""

from __future__ import annotations

from simulator.lookalikes.base import drives, guests, of_connector, one_of

KIND = of_connector(
    "low_power_cars",
    guests(one_of(0.85, lambda visit, rng: drives(visit, dc_max_w=rng.uniform(22_000, 48_000), ac_max_a=10.0))),
    days=6,
)
