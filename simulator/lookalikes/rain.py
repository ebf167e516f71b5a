"""Water in the outlets: insulation is poorer while it rains, and well above what is dangerous."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays, intermittent, times
from simulator.lookalikes.base import of_station
from simulator.spec import is_dc

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.earth_ohm_per_v = times(4000, 1400, plan.strength) if share else math.inf


KIND = of_station("rain", intermittent(_apply, cycle_s=6 * 3600), days=3, fits=is_dc)
