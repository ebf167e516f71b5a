"""A whole site goes dark (`power`), or its network is gone (`link`): all its stations within a minute or two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, planner, site_asset
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


_SPREAD_S = 90.0  # batteries and modems hold out differently


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    delay_s = 0.0 if station.spec.station_id == plan.station_id else station.rng.uniform(0, _SPREAD_S)
    station.after(delay_s, now_s, lambda now: _strike(station, plan, now))


def _strike(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.over(now_s):
        return
    if plan.detail == "power":
        station.power_off(now_s)
    else:
        station.network = False


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    if plan.detail == "power":
        station.power_on(now_s)
    else:
        station.network = True


def _has_site(spec: StationSpec) -> bool:
    return bool(spec.site_id)


KIND = FaultKind(
    "site_outage",
    planner("site_outage", asset=site_asset, whole=True, details=("link", "power"), graded=False),
    _begin,
    _end,
    shows=None,
    fits=_has_site,
    lasts_s=2 * 3600,
    whole_site=_has_site,
)
