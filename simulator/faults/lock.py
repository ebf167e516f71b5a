"""The lock of a socket, or of a DC plug's latch, does not reach its end position.

Strength is how often, from one time in five to always; UnlockConnector fails as often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, bays, between, graded, planner, plug_asset
from simulator.faults.shown import reported
from simulator.spec import ConnectorSpec, StationSpec, is_dc

if TYPE_CHECKING:
    from simulator.station import Station


def _locks(spec: StationSpec, connector: ConnectorSpec) -> bool:
    """A cable that is fixed to an AC post is locked by the vehicle alone."""
    return is_dc(spec) or connector.cable_id is None


def _fits(spec: StationSpec) -> bool:
    return any(_locks(spec, connector) for connector in spec.connectors)


def _apply(station: Station, plan: FaultPlan, share: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.lock_fails = between(0.2, 1.0, plan.strength) if share else 0.0


KIND = FaultKind(
    "lock",
    planner("lock", asset=plug_asset, connectors=_locks),
    *graded(_apply),
    shows=reported,
    fits=_fits,
    lasts_s=36 * 3600,
)
