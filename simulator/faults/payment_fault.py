"""The station's payment terminal dies: payment cards are not taken. Who has another card goes on charging.

Strength is the share of payments that fail, from six in seven to all: of fewer, trying again would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner
from simulator.faults.shown import sent
from simulator.spec import StationSpec, has_terminal

if TYPE_CHECKING:
    from simulator.station import Station


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.terminal_dead = between(0.85, 1.0, plan.strength) if share else 0.0


def _fits(spec: StationSpec) -> bool:
    return has_terminal(spec.protocol)


KIND = FaultKind(
    "payment_fault",
    planner("payment_fault", whole=True),
    *graded(_apply),
    shows=sent("StatusNotification"),  # somebody comes and goes without a session
    fits=_fits,
    lasts_s=8 * 86_400,
)
