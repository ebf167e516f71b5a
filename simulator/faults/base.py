"""What every fault has: a plan (who, when, how strong), which is also its ground truth."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from laddvakt.domain.tickets import Asset
from simulator.spec import ConnectorSpec, StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of one asset. Times in UTC seconds; `until_s` None lasts for ever. `strength` 0..1."""

    fault: str  # code of the fault catalogue
    asset: Asset
    station_id: str
    connector_id: int | None
    since_s: float
    until_s: float | None
    strength: float
    detail: str = ""  # the variant: an error code, `link` or `power`...


class FaultKind(NamedTuple):
    """A file of this package. `plan` chooses connector and variant; `begin` and `end` change the station."""

    code: str
    plan: Callable[[StationSpec, random.Random, float, float | None], FaultPlan]
    begin: Callable[[Station, FaultPlan, float], None]
    end: Callable[[Station, FaultPlan, float], None]
    shown_by: frozenset[str]  # the first of these requests of its connector shows it; empty: silence does


def station_asset(spec: StationSpec) -> Asset:
    return Asset(kind="station", id=spec.station_id)


def plug_asset(spec: StationSpec, connector: ConnectorSpec) -> Asset:
    """A fixed cable where there is one, else the connector."""
    if connector.cable_id:
        return Asset(kind="cable", id=connector.cable_id)
    return Asset(kind="connector", id=f"{spec.station_id}/{connector.connector_id}")
