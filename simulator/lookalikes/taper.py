"""Batteries that are nearly full: current falls and falls, and stays small for a long time."""

from __future__ import annotations

from simulator.lookalikes.base import guests, of_connector, one_of

KIND = of_connector(
    "taper",
    guests(one_of(0.8, lambda visit, rng: visit._replace(soc=rng.uniform(0.9, 0.965), target_soc=1.0))),
    days=3,
)
