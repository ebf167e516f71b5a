"""Vehicles that are full already: they are plugged in for the parking space, and take nothing."""

from __future__ import annotations

from simulator.lookalikes.base import guests, is_ac, of_connector, one_of

KIND = of_connector(
    "full_battery",
    guests(one_of(0.35, lambda visit, rng: visit._replace(soc=1.0, target_soc=1.0, patience_s=float("inf")))),
    days=2,
    fits=is_ac,
)
