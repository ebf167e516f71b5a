"""What every look-alike has. It is planned as a fault is; nothing is at fault, the asset is what it befalls."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from simulator.drivers import Driver, Visit
from simulator.faults.base import Change, FaultKind, FaultPlan, Fits, bays, planner, settle, site_asset
from simulator.spec import StationSpec, is_dc
from simulator.vehicles import Vehicle

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station

DAY_S = 86_400.0
HOUR_S = 3600.0

Details = Sequence[str] | Callable[[StationSpec], Sequence[str]]
Guest = Callable[[Visit], Visit]


def anywhere(spec: StationSpec) -> bool:
    return True


def is_ac(spec: StationSpec) -> bool:
    return not is_dc(spec)


def speaks_16(spec: StationSpec) -> bool:
    return spec.protocol == "ocpp1.6"


def of_connector(
    code: str, changes: tuple[Change, Change], *, days: float, fits: Fits = anywhere, details: Details = ("",)
) -> FaultKind:
    """Of one connector, for about so many days."""
    plan = planner(code, details=details)
    return FaultKind(code, plan, *changes, shows=None, fits=fits, lasts_s=days * DAY_S)


def of_station(
    code: str,
    changes: tuple[Change, Change],
    *,
    days: float,
    fits: Fits = anywhere,
    details: Details = ("",),
    whole_run: bool = False,
) -> FaultKind:
    """Of a station and all its connectors."""
    plan = planner(code, whole=True, details=details)
    return FaultKind(code, plan, *changes, shows=None, fits=fits, lasts_s=days * DAY_S, whole_run=whole_run)


def of_site(code: str, changes: tuple[Change, Change], *, days: float, fits: Fits = anywhere) -> FaultKind:
    """Of a site and all its stations."""
    plan = planner(code, whole=True, asset=site_asset)
    return FaultKind(code, plan, *changes, shows=None, fits=fits, lasts_s=days * DAY_S, whole_site=anywhere)


def of_all(code: str, changes: tuple[Change, Change], *, days: float) -> FaultKind:
    """Of all stations of the network, at the same time."""
    plan = planner(code, whole=True)
    return FaultKind(code, plan, *changes, shows=None, lasts_s=days * DAY_S, everywhere=True)


def switched(apply: Callable[[Station, FaultPlan, bool], None]) -> tuple[Change, Change]:
    """What is there, or is not."""

    def begin(station: Station, plan: FaultPlan, now_s: float) -> None:
        settle(station, now_s)
        apply(station, plan, True)

    def end(station: Station, plan: FaultPlan, now_s: float) -> None:
        settle(station, now_s)
        apply(station, plan, False)

    return begin, end


def guests(make: Callable[[Bay, FaultPlan], Guest]) -> tuple[Change, Change]:
    """Who comes is unusual, or what they do."""

    def apply(station: Station, plan: FaultPlan, on: bool) -> None:
        for bay in bays(station, plan):
            bay.guest = make(bay, plan) if on else None

    return switched(apply)


def one_of(share: float, change: Callable[[Visit, random.Random], Visit]) -> Callable[[Bay, FaultPlan], Guest]:
    """A share of the visits is changed."""

    def make(bay: Bay, plan: FaultPlan) -> Guest:
        rng = bay.desk.rng
        return lambda visit: change(visit, rng) if rng.random() < share else visit

    return make


def same_driver(
    share: float,
    vehicle: Callable[[Vehicle, random.Random], Vehicle],
    *,
    clumsy: float = 0.0,
    retries: int = 0,
) -> Callable[[Bay, FaultPlan], Guest]:
    """One driver comes again and again, for a share of the visits, in a vehicle with something of its own."""

    def make(bay: Bay, plan: FaultPlan) -> Guest:
        rng = bay.desk.rng
        tag = f"04{rng.getrandbits(48):012X}"
        found: list[Driver] = []

        def guest(visit: Visit) -> Visit:
            if rng.random() >= share:
                return visit
            if not found:
                found.append(Driver(tag, vehicle(visit.driver.vehicle, rng), autocharge=False, clumsy=clumsy))
            return visit._replace(driver=found[0], retries=retries)

        return guest

    return make


def drives(visit: Visit, **traits: Any) -> Visit:
    """The same driver in a vehicle with other traits."""
    return visit._replace(driver=visit.driver._replace(vehicle=visit.driver.vehicle._replace(**traits)))
