"""What every fault has: a plan (who, when, how strong), which is also its ground truth; ways to begin and end."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from laddvakt.domain.tickets import Asset
from simulator.faults.shown import Shows
from simulator.spec import ConnectorSpec, StationSpec

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station

_HOUR_S = 3600.0
_CLIMBS = 24  # steps in which a creeping fault grows


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of one asset. Times in UTC seconds; `until_s` None lasts for ever. `strength` 0 (barely visible)
    to 1 (blatant); it is reached `onset_s` after the cause set in."""

    fault: str  # code of the fault catalogue, or the name of one that it does not know
    asset: Asset  # what is really at fault
    station_id: str
    connector_id: int | None  # None: all of them
    since_s: float
    until_s: float | None
    strength: float
    detail: str = ""  # the variant: an error code, `link` or `power`...
    onset_s: float = 0.0  # 0: sudden
    also: tuple[str, ...] = ()  # the site's other stations that it strikes

    @property
    def stations(self) -> tuple[str, ...]:
        """All that it strikes."""
        return (self.station_id, *self.also)

    def over(self, now_s: float) -> bool:
        return self.until_s is not None and now_s >= self.until_s


class MakesPlan(Protocol):
    """Chooses connector, variant and strength."""

    def __call__(
        self, spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None, /
    ) -> FaultPlan: ...


Change = Callable[["Station", FaultPlan, float], None]
"""Of a station at a time, UTC seconds."""
Apply = Callable[["Station", FaultPlan, float], None]
"""Lays a share of the fault upon the station: 1 is as strong as planned, 0 is healthy."""
AssetOf = Callable[[StationSpec, ConnectorSpec], Asset]
Fits = Callable[[StationSpec], bool]


class FaultKind(NamedTuple):
    """A file of this package. What shows it is what is said while it `acts`: a station whose contactor fails now
    and then says nothing unusual when it closes."""

    code: str
    plan: MakesPlan
    begin: Change
    end: Change
    shows: Shows | None  # which messages show it; None: silence does
    fits: Fits = lambda spec: True  # stations that can have it, and can show it
    lasts_s: float = 12 * _HOUR_S  # typically, until somebody mends it
    whole_site: Fits | None = None  # given for a fault of a site: which of its stations it strikes
    everywhere: bool = False  # befalls all stations at once
    acts: Callable[[Bay], bool] = lambda bay: True  # of one that comes and goes: whether it acts on a bay now
    whole_run: bool = False  # a trait of the station: there from the beginning to the end


def station_asset(spec: StationSpec, connector: ConnectorSpec | None = None) -> Asset:
    return Asset(kind="station", id=spec.station_id)


def plug_asset(spec: StationSpec, connector: ConnectorSpec) -> Asset:
    """A fixed cable where there is one, else the connector."""
    if connector.cable_id:
        return Asset(kind="cable", id=connector.cable_id)
    return Asset(kind="connector", id=f"{spec.station_id}/{connector.connector_id}")


def site_asset(spec: StationSpec, connector: ConnectorSpec | None = None) -> Asset:
    return Asset(kind="site", id=spec.site_id)


def planner(
    code: str,
    *,
    asset: AssetOf = station_asset,
    whole: bool = False,
    details: Sequence[str] | Callable[[StationSpec], Sequence[str]] = ("",),
    connectors: Callable[[StationSpec, ConnectorSpec], bool] = lambda spec, connector: True,
    creeps_h: tuple[float, float] = (0.0, 0.0),
    graded: bool = True,
) -> MakesPlan:
    """A plan of a connector drawn among `connectors`, or of the `whole` station; `creeps_h`: bounds of the hours
    it takes to grow, three fifths of its length at most."""

    def plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None, /) -> FaultPlan:
        fitting = [one for one in spec.connectors if connectors(spec, one)] or list(spec.connectors)
        connector = rng.choice(fitting)
        choices = details(spec) if callable(details) else details
        onset_s = rng.uniform(*creeps_h) * _HOUR_S
        return FaultPlan(
            fault=code,
            asset=asset(spec, connector),
            station_id=spec.station_id,
            connector_id=None if whole else connector.connector_id,
            since_s=since_s,
            until_s=until_s,
            strength=rng.random() if graded else 1.0,
            detail=rng.choice(choices),
            onset_s=onset_s if until_s is None else min(onset_s, 0.6 * (until_s - since_s)),
        )

    return plan


def bays(station: Station, plan: FaultPlan) -> list[Bay]:
    """The connectors that a plan is about."""
    return [bay for bay in station.bays.values() if plan.connector_id in (None, bay.connector_id)]


def between(lowest: float, highest: float, strength: float) -> float:
    """A size for a strength, linear."""
    return lowest + (highest - lowest) * strength


def times(lowest: float, highest: float, strength: float) -> float:
    """A size for a strength, by equal factors."""
    return float(lowest * (highest / lowest) ** strength)


def settle(station: Station, now_s: float) -> None:
    """What flowed until now flowed as it was."""
    for bay in station.bays.values():
        bay.circuit.advance(now_s)


def graded(apply: Apply) -> tuple[Change, Change]:
    """`begin` and `end` of a fault that is laid on at once, or grows over its onset."""

    def begin(station: Station, plan: FaultPlan, now_s: float) -> None:
        climb(station, plan, now_s, 1 if plan.onset_s else _CLIMBS)

    def climb(station: Station, plan: FaultPlan, now_s: float, step: int) -> None:
        if plan.over(now_s):
            return
        settle(station, now_s)
        apply(station, plan, step / _CLIMBS)
        if step < _CLIMBS:
            delay_s = plan.onset_s / (_CLIMBS - 1)
            station.after(delay_s, now_s, lambda now: climb(station, plan, now, step + 1))

    def end(station: Station, plan: FaultPlan, now_s: float) -> None:
        settle(station, now_s)
        apply(station, plan, 0.0)

    return begin, end


def intermittent(apply: Apply, *, cycle_s: float) -> tuple[Change, Change]:
    """`begin` and `end` of a fault that comes and goes. It is there for a share of the time that rises with the
    strength to always; `cycle_s` is the mean from one coming to the next."""

    def begin(station: Station, plan: FaultPlan, now_s: float) -> None:
        if plan.over(now_s):
            return
        settle(station, now_s)
        apply(station, plan, 1.0)
        if plan.strength < 1:
            there_s = station.rng.uniform(0.6, 1.4) * cycle_s * between(0.2, 1.0, plan.strength)
            station.after(there_s, now_s, lambda now: pause(station, plan, now))

    def pause(station: Station, plan: FaultPlan, now_s: float) -> None:
        if plan.over(now_s):
            return
        settle(station, now_s)
        apply(station, plan, 0.0)
        away_s = station.rng.uniform(0.6, 1.4) * cycle_s * (1 - between(0.2, 1.0, plan.strength))
        station.after(away_s, now_s, lambda now: begin(station, plan, now))

    def end(station: Station, plan: FaultPlan, now_s: float) -> None:
        settle(station, now_s)
        apply(station, plan, 0.0)

    return begin, end
