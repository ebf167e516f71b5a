"""A connector's contactor does not open any more: current goes on when the session is over, and begins before one.

Strength is how often its contacts stick, from every third opening to all. Firmware that looks at the contactor's
auxiliary contact finds it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import Said, either, flowing, reported
from simulator.firmware import limits_of
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.set_contactor(sticks=between(0.35, 1.0, plan.strength) if share else 0.0)


def _outside(plan: FaultPlan, said: Said) -> bool:
    """Current in a message that belongs to no transaction."""
    return not {"transactionId", "transactionInfo"} & set(said.payload) and flowing(plan, said)


def _fits(spec: StationSpec) -> bool:
    """Somebody can know: a meter beside it, or the firmware."""
    return spec.devices or limits_of(spec).feels_welds


KIND = FaultKind(
    "welded_contactor",
    planner("welded_contactor"),
    *graded(_apply),
    shows=either(_outside, reported),
    fits=_fits,
    lasts_s=24 * 3600,
    acts=lambda bay: bay.circuit.welded,  # until it sticks, errors are others'
)
