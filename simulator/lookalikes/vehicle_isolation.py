"""One vehicle's battery is poorly insulated: cable checks fail with it, and with no other."""

from __future__ import annotations

from simulator.lookalikes.base import guests, of_connector, same_driver
from simulator.spec import is_dc

KIND = of_connector(
    "vehicle_isolation",
    guests(
        same_driver(0.35, lambda vehicle, rng: vehicle._replace(earth_ohm_per_v=rng.uniform(10, 130)), retries=-1)
    ),
    days=3,
    fits=is_dc,
)
