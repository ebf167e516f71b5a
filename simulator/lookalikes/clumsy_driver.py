"""One driver does not push the plug home, and tries again until it holds. Nobody else has any trouble."""

from __future__ import annotations

from simulator.lookalikes.base import guests, of_connector, same_driver

KIND = of_connector(
    "clumsy_driver", guests(same_driver(0.35, lambda vehicle, rng: vehicle, clumsy=0.7, retries=-3)), days=3
)
