"""The station finds a fault in itself and says so: status Faulted with an error code."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from simulator.faults.base import FaultKind, FaultPlan, plug_asset, station_asset
from simulator.faults.shown import sent
from simulator.firmware import Fault
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


class _Variant(NamedTuple):
    error_code: str  # OCPP 1.6 section 7.6
    info: str
    mrec: str  # ChargeX code that newer firmware adds
    in_plug: bool  # cable or connector, rather than the station


_VARIANTS = (
    _Variant("GroundFailure", "RCD tripped, residual current 34 mA", "CX002", False),
    _Variant("HighTemperature", "cabinet over temperature limit", "CX003", False),
    _Variant("ConnectorLockFailure", "lock motor end position not reached", "CX001", True),
    _Variant("PowerSwitchFailure", "contactor feedback does not match", "CX017", False),
    _Variant("UnderVoltage", "L2 below 196 V", "CX006", False),
    _Variant("InternalError", "control board self test failed", "", False),
    _Variant("PowerMeterFailure", "no answer from energy meter", "", False),
    _Variant("OtherError", "pilot signal out of range", "CX014", True),
)
_BY_DETAIL = {f"{variant.error_code} {variant.mrec}".strip(): variant for variant in _VARIANTS}


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None, /) -> FaultPlan:
    connector = rng.choice(spec.connectors)
    detail = rng.choice(sorted(_BY_DETAIL))
    variant = _BY_DETAIL[detail]
    return FaultPlan(
        fault="reported_fault",
        asset=plug_asset(spec, connector) if variant.in_plug else station_asset(spec),
        station_id=spec.station_id,
        connector_id=connector.connector_id,
        since_s=since_s,
        until_s=until_s,
        strength=1.0,
        detail=detail,
    )


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    variant = _BY_DETAIL[plan.detail]
    bay = station.bays[plan.connector_id or 1]
    bay.raise_fault(Fault(variant.error_code, variant.info, variant.mrec), now_s)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.bays[plan.connector_id or 1].clear_fault(now_s)


KIND = FaultKind(
    "reported_fault", _plan, _begin, _end, shows=sent("StatusNotification", "NotifyEvent"), lasts_s=6 * 3600
)
