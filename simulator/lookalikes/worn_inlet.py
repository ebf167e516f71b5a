"""One vehicle's inlet is worn: plugs get hot with it, here as anywhere, and with no other vehicle."""

from __future__ import annotations

from simulator.lookalikes.base import guests, of_connector, same_driver

KIND = of_connector(
    "worn_inlet",
    guests(same_driver(0.4, lambda vehicle, rng: vehicle._replace(inlet_wear=rng.uniform(0.6, 1.6)))),
    days=5,
)
