"""Power modules of a DC station fail: what is left cannot give the rated power.

Strength is how many: one up to two thirds of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, graded, planner
from simulator.faults.shown import flowing
from simulator.spec import StationSpec, is_dc

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station


_MODULE_W = 20_000.0


def modules(spec: StationSpec) -> int:
    """How many there are."""
    return max(round(spec.max_power_w / _MODULE_W), 2)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    count = modules(station.spec)
    lost = max(round(plan.strength * 0.67 * count), 1) if share else 0
    for bay in bays(station, plan):
        bay.circuit.rectifier_lost = lost / count


def _acts(bay: Bay) -> bool:
    """A vehicle is there that would take more than the modules that are left can give."""
    return bay.circuit.wants_more


KIND = FaultKind(
    "module_loss",
    planner("module_loss", whole=True),
    *graded(_apply),
    shows=flowing,
    acts=_acts,
    fits=is_dc,
    lasts_s=10 * 86_400,
)
