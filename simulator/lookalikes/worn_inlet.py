"""One vehicle's inlet is worn: plugs get warm with it, here as anywhere, and with no other vehicle. It feels that
and takes less before they are dangerously hot: a plug that is must be told, whoever made it so."""

from __future__ import annotations

import random

from simulator.lookalikes.base import guests, of_connector, same_driver
from simulator.vehicles import Vehicle


def _worn(vehicle: Vehicle, rng: random.Random) -> Vehicle:
    return vehicle._replace(inlet_wear=rng.uniform(0.6, 1.6), inlet_guard_c=rng.uniform(58, 66))


KIND = of_connector("worn_inlet", guests(same_driver(0.4, _worn)), days=5)
