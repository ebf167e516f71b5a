"""An operator gives power away to who starts by its app: for some days hardly anybody at a site shows a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan, bays
from simulator.lookalikes.base import of_site, one_of, switched

if TYPE_CHECKING:
    from simulator.station import Station

_SHARE = 0.92
_by_app = one_of(_SHARE, lambda visit, rng: visit._replace(by_app=True))


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    for bay in bays(station, plan):
        bay.guest = _by_app(bay, plan) if on else None


KIND = of_site("campaign", switched(_apply), days=2)
