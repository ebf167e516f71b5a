"""Who has charged does not come back for hours (`after`), or who comes plugs in and walks away without starting
(`before`)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulator.drivers import Visit
from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import HOUR_S, Guest, guests, of_connector, one_of

if TYPE_CHECKING:
    from simulator.bay import Bay


def _before(visit: Visit, rng: random.Random) -> Visit:
    return visit._replace(card_after_s=rng.uniform(0.5, 4) * HOUR_S)


def _after(visit: Visit, rng: random.Random) -> Visit:
    return visit._replace(unplug_after_s=rng.uniform(1, 8) * HOUR_S)


def _make(bay: Bay, plan: FaultPlan) -> Guest:
    return one_of(0.5, _before if plan.detail == "before" else _after)(bay, plan)


KIND = of_connector("parked_car", guests(_make), days=3, details=("before", "after"))
