"""One driver's vehicle does not start to charge, and the driver tries again and again. Others come and charge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.drivers import Driver, Visit
from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import HOUR_S, is_ac, of_connector, same_driver, switched

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station

_SHARE = 0.3


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    for bay in bays(station, plan):
        _set(bay, plan, on)


def _set(bay: Bay, plan: FaultPlan, on: bool) -> None:
    if not on:
        bay.guest = bay.begun = None
        return
    choose = same_driver(_SHARE, lambda vehicle, rng: vehicle, retries=-3)(bay, plan)
    stubborn: list[Driver] = []

    def guest(visit: Visit) -> Visit:
        changed = choose(visit)
        if changed is not visit and not stubborn:
            stubborn.append(changed.driver)
        return changed if changed is visit else changed._replace(patience_s=bay.desk.rng.uniform(60, 150))

    def begun(bay: Bay, visit: Visit, now_s: float) -> None:
        if visit.driver in stubborn:
            bay.pause(0, 24 * HOUR_S, now_s, told=False)

    bay.guest, bay.begun = guest, begun


KIND = of_connector("one_driver_retrying", switched(_apply), days=3, fits=is_ac)
