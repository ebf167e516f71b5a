"""The meter counts wrong: its register against its own power (`register`), or everything that it measures
(`meter`), which only another meter can tell.

Strength is how wrong, 3 to 20 percent, too much or too little, growing over days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, graded, planner, times
from simulator.faults.shown import Said, flowing
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


def _details(spec: StationSpec) -> tuple[str, ...]:
    return ("register +", "register -", "meter +", "meter -") if spec.devices else ("register +", "register -")


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    what, sign = plan.detail.split()
    gain = 1 + share * times(0.03, 0.2, plan.strength) * (1 if sign == "+" else -1)
    for bay in bays(station, plan):
        if what == "register":
            bay.circuit.defects.register_gain = gain
        else:
            bay.circuit.defects.meter_gain = gain


def _shows(plan: FaultPlan, said: Said) -> bool:
    return not said.action.startswith("mqtt/") and flowing(plan, said)


KIND = FaultKind(
    "meter_drift",
    planner("meter_drift", details=_details, creeps_h=(0, 72)),
    *graded(_apply),
    shows=_shows,
    lasts_s=8 * 86_400,
)
