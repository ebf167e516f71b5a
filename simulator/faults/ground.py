"""Where and when there is room for a fault: no station has two things at a time."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import msgspec

from simulator.faults.base import FaultKind, FaultPlan
from simulator.spec import StationSpec

Span = tuple[float, float]


class Ground:
    """Stations, and when each of them is taken. `rest_s` is left free between two things at a station."""

    def __init__(self, specs: Sequence[StationSpec], rng: random.Random, *, rest_s: float = 3600.0) -> None:
        self._specs = specs
        self._rng = rng
        self._rest_s = rest_s
        self._taken: dict[str, list[Span]] = {spec.station_id: [] for spec in specs}

    def take(self, plans: Iterable[FaultPlan]) -> None:
        """These are laid already."""
        for plan in plans:
            for station_id in plan.stations:
                self._taken[station_id].append((plan.since_s, plan.until_s or float("inf")))

    def lay(
        self, kind: FaultKind, since_s: float, length_s: float, *, strength: float | None = None
    ) -> FaultPlan | None:
        """At this time, on a free station; None where there is none."""
        until_s = since_s + length_s
        for spec in self._shuffled():
            if kind.fits(spec) and self._free(spec.station_id, since_s, until_s):
                plan = self._on(kind, spec, since_s, until_s, strength)
                if plan is not None:
                    return plan
        return None

    def lay_within(
        self, kind: FaultKind, within: Span, length_s: float, *, strength: float | None = None
    ) -> FaultPlan | None:
        """On any station that is free for so long within a time; None where there is none."""
        for spec in self._shuffled():
            gaps = self._gaps(spec.station_id, within, length_s) if kind.fits(spec) else []
            if not gaps:
                continue
            since_s = self._rng.uniform(*self._rng.choice(gaps))
            plan = self._on(kind, spec, since_s, since_s + length_s, strength)
            if plan is not None:
                return plan
        return None

    def room(self, kind: FaultKind) -> int:
        """How many stations can have it."""
        return sum(kind.fits(spec) for spec in self._specs)

    def _shuffled(self) -> list[StationSpec]:
        return self._rng.sample(self._specs, len(self._specs))

    def _on(
        self, kind: FaultKind, spec: StationSpec, since_s: float, until_s: float, strength: float | None
    ) -> FaultPlan | None:
        plan = self._widened(kind, spec, kind.plan(spec, self._rng, since_s, until_s))
        if plan.asset.kind == "site" and not plan.also:
            return None  # a site of one station is that station
        if strength is not None and plan.strength < 1:
            plan = msgspec.structs.replace(plan, strength=strength)
        if not all(self._free(station_id, since_s, until_s) for station_id in plan.stations):
            return None
        self.take([plan])
        return plan

    def _free(self, station_id: str, since_s: float, until_s: float) -> bool:
        rest_s = self._rest_s
        return all(end + rest_s <= since_s or until_s + rest_s <= begin for begin, end in self._taken[station_id])

    def _gaps(self, station_id: str, within: Span, length_s: float) -> list[Span]:
        """Earliest and latest beginnings of something of this length."""
        free_s, gaps = within[0], []
        for begin_s, end_s in sorted(self._taken[station_id]):
            if begin_s - self._rest_s - length_s >= free_s:
                gaps.append((free_s, begin_s - self._rest_s - length_s))
            free_s = max(free_s, end_s + self._rest_s)
        return [*gaps, (free_s, within[1] - length_s)] if within[1] - length_s >= free_s else gaps

    def _widened(self, kind: FaultKind, spec: StationSpec, plan: FaultPlan) -> FaultPlan:
        """What befalls a site strikes its other stations, too."""
        strikes = kind.whole_site
        if strikes is None or plan.asset.kind != "site":
            return plan
        site = [other for other in self._specs if other.site_id == spec.site_id and other is not spec]
        return msgspec.structs.replace(plan, also=tuple(other.station_id for other in site if strikes(other)))
