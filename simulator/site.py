"""A site: what its stations share. The weather, the supply, the people who come, and who manages the load."""

from __future__ import annotations

import random

from simulator import physics
from simulator.demand import SiteKind, pick_kind
from simulator.spec import StationSpec

_CACHED_S = 5.0  # weather and grid are reckoned once in so many seconds


class Site:
    """Changed by its stations' currents (`take`) and by what befalls it (`offset_v`, `closed`). Phases are the
    grid's; stations are connected with their phases rotated, as installers do to spread one-phase vehicles."""

    def __init__(self, site_id: str, place: physics.Surroundings, kinds: tuple[SiteKind, SiteKind]) -> None:
        self.site_id = site_id
        self.place = place
        self._kinds = kinds
        self.load_a = [0.0, 0.0, 0.0]
        self.offset_v = (0.0, 0.0, 0.0)  # what neighbours and the transformer add, per phase
        self.offset_k = 0.0  # how much colder or warmer it is than it uses to be
        self.closed = False  # nobody comes in; who is there stays
        self.quiet = 1.0  # share of the usual demand
        self._air = (-1, 0.0)
        self._grid = (-1, (0.0, 0.0, 0.0))

    def kind(self, *, dc: bool) -> SiteKind:
        """Who comes to its fast chargers (`dc`), or to the others."""
        return self._kinds[dc]

    def air_c(self, now_s: float) -> float:
        """Temperature of the air, degrees Celsius."""
        key = int(now_s / _CACHED_S)
        if self._air[0] != key:
            self._air = (key, physics.ambient_c(key * _CACHED_S, self.place) + self.offset_k)
        return self._air[1]

    def grid_v(self, now_s: float) -> tuple[float, float, float]:
        """Voltage of each phase at the site's connection as it would be without its stations."""
        key = int(now_s / _CACHED_S)
        if self._grid[0] != key:
            self._grid = (key, physics.phase_v(key * _CACHED_S, self.place))
        return self._grid[1]

    def take(self, phase: int, more_a: float) -> None:
        """A station draws this much more (or less) from a phase of the grid."""
        self.load_a[phase] += more_a


def make_site(seed: int, site_id: str) -> Site:
    """The same site for the same seed and id."""
    rng = random.Random(f"{seed}/place/{site_id}")
    place = physics.pick_surroundings(rng)
    return Site(site_id, place, (pick_kind(rng, dc=False), pick_kind(rng, dc=True)))


def make_sites(seed: int, specs: tuple[StationSpec, ...]) -> dict[str, Site]:
    """All sites of these stations, by id."""
    return {site_id: make_site(seed, site_id) for site_id in sorted({spec.site_id for spec in specs})}
