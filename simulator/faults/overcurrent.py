"""The station offers more current than it means to: its pilot signal is off.

Strength is how much more, 15 to 60 percent. Only vehicles that would take more than is meant show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import Said, either, reported
from simulator.spec import ConnectorSpec, StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


_COMMON_AC_A = 16.0  # most on-board chargers take no more
_PACK_V = (385.0, 430.0)
"""Of DC stations, power over current between these: under them their power leaves no room for more current, above
them their current limits no vehicle."""
_TOLERANCE = 1.08  # of pilot (IEC 61851-1: a hundredth of the duty cycle at each end), vehicle and meter together


def _can(spec: StationSpec, connector: ConnectorSpec) -> bool:
    """There are vehicles that its current, rather than its power, limits."""
    if spec.current == "AC":
        return connector.max_current_a <= _COMMON_AC_A
    return _PACK_V[0] < connector.max_power_w / connector.max_current_a < _PACK_V[1]


def _fits(spec: StationSpec) -> bool:
    return any(_can(spec, connector) for connector in spec.connectors)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.circuit.defects.pilot_gain = 1 + share * between(0.15, 0.6, plan.strength)


def _shows(plan: FaultPlan, said: Said) -> bool:
    """More flows than is offered, and than tolerances explain."""
    readings = said.readings()
    amps = [value for (measurand, *_), value in readings.items() if measurand == "Current.Import"]
    return max(amps, default=0.0) > _TOLERANCE * readings.get(("Current.Offered", "", ""), float("inf"))


KIND = FaultKind(
    "overcurrent",
    planner("overcurrent", connectors=_can),
    *graded(_apply),
    shows=either(_shows, reported),
    fits=_fits,
    lasts_s=3 * 86_400,
)
