"""One vehicle's charger leaks to earth: residual current devices trip wherever it charges."""

from __future__ import annotations

from simulator.lookalikes.base import guests, is_ac, of_connector, same_driver

KIND = of_connector(
    "leaky_vehicle",
    guests(same_driver(0.35, lambda vehicle, rng: vehicle._replace(leak_ma=rng.uniform(22, 45)), retries=-2)),
    days=3,
    fits=is_ac,
)
