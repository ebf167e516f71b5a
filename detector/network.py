"""What rules may ask of the world around a station: its site, its peers, other visits of a vehicle. Pure.

Memory is bounded: 2,000 connectors are kept of each group and feature, 50,000 vehicles with 6 visits each.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import msgspec

from detector.rules.base import Back, Holder, Peers, Silence, Subject, Visit
from detector.state import SITE, StationState
from detector.view import SessionEnded, StationView
from laddvakt.domain.stations import Station

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
MAX_PEERS = 2_000
MAX_VEHICLES = 50_000
VISITS = 6
GOOD_WH = 100.0

_SILENCE_CACHE = timedelta(seconds=10)
_SMALL_NETWORK = 500
_COUNTED_SITES = 8
_STALE_AFTER = 50
_STEP_S = 10.0
_STEPS_NEAR = 12
_STEPS_KEPT = 60


class _Shared:
    """One feature of one group; medians are worked out anew only once enough has changed."""

    __slots__ = ("changes", "known", "values")

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.known: tuple[float, float] | None = None
        self.changes = 0

    def put(self, key: str, value: float) -> None:
        if key not in self.values and len(self.values) >= MAX_PEERS:
            return
        if self.values.get(key) != value:
            self.values[key] = value
            self.changes += 1

    def peers(self, but: str) -> Peers | None:
        n = len(self.values) - (but in self.values)
        if n <= 0:
            return None
        if n <= _STALE_AFTER:
            return Peers(*_median_and_mad([v for key, v in self.values.items() if key != but]), n)
        if self.known is None or self.changes > _STALE_AFTER:
            self.known, self.changes = _median_and_mad(list(self.values.values())), 0
        return Peers(*self.known, n)


def _median_and_mad(values: list[float]) -> tuple[float, float]:
    middle = median(values)
    return middle, median(abs(value - middle) for value in values)


class PeerBook:
    """What rules share of their connectors, by rule, group and feature."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, str, str], _Shared] = {}

    def put(self, code: str, group: str, key: str, shared: Mapping[str, float]) -> None:
        for feature, value in shared.items():
            found = self._shared.get((code, group, feature))
            if found is None:
                found = self._shared[(code, group, feature)] = _Shared()
            found.put(key, value)

    def get(self, code: str, group: str, feature: str, but: str) -> Peers | None:
        found = self._shared.get((code, group, feature))
        return found.peers(but) if found is not None else None


class _StoredVisits(msgspec.Struct):
    visits: list[tuple[str, tuple[Visit, ...]]]


class VisitBook:
    """The last sessions of each vehicle; the vehicle that was away longest is forgotten first."""

    def __init__(self) -> None:
        self._visits: OrderedDict[str, tuple[Visit, ...]] = OrderedDict()

    def note(self, session: SessionEnded) -> None:
        good = session.energy_wh >= GOOD_WH and not session.errors
        visit = Visit(session.station_id, session.connector_id, session.ended_at, session.energy_wh, good)
        before = self._visits.pop(session.vehicle, ())
        self._visits[session.vehicle] = (*before[-(VISITS - 1) :], visit)
        if len(self._visits) > MAX_VEHICLES:
            self._visits.popitem(last=False)

    def of(self, vehicle: str) -> tuple[Visit, ...]:
        return self._visits.get(vehicle, ())

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(_StoredVisits(list(self._visits.items())))

    def restore(self, data: bytes) -> None:
        """Take up what was stored. What cannot be read is gathered anew."""
        try:
            self._visits = OrderedDict(msgspec.msgpack.decode(data, type=_StoredVisits).visits)
        except msgspec.MsgspecError:
            self._visits = OrderedDict()


class LinkBook:
    """Links that came up within the last ten minutes, in steps of ten seconds."""

    def __init__(self) -> None:
        self._steps: dict[int, tuple[int, frozenset[str | None]]] = {}

    def note(self, site_id: str | None, at: datetime) -> None:
        step = int(at.timestamp() // _STEP_S)
        count, sites = self._steps.get(step, (0, frozenset()))
        self._steps[step] = (count + 1, sites if len(sites) >= _COUNTED_SITES else sites | {site_id})
        while len(self._steps) > _STEPS_KEPT:
            del self._steps[min(self._steps)]

    def around(self, at: datetime) -> tuple[int, int]:
        """Links within two minutes, and their sites (as far as they are counted)."""
        step = int(at.timestamp() // _STEP_S)
        near = [found for number, found in self._steps.items() if abs(number - step) <= _STEPS_NEAR]
        return sum(count for count, _ in near), len(frozenset().union(*(sites for _, sites in near)))


class World:
    """The `Network` that rules ask; the engine feeds it."""

    def __init__(self, states: dict[str, StationState], heartbeat_s: float) -> None:
        self._states = states
        self._stations: dict[str, Station] = {}
        self._sites: dict[str, list[str]] = {}
        self._frames: tuple[datetime, list[tuple[datetime, str]]] = (LONG_AGO, [])
        self.book = PeerBook()
        self.vehicles = VisitBook()
        self.links = LinkBook()
        self.clock = LONG_AGO  # of the newest entry or tick
        self.heartbeat_s = heartbeat_s
        self.blind_since: datetime | None = None
        self.listening_since: datetime | None = None

    def register(self, stations: Iterable[Station]) -> None:
        self._stations = {station.station_id: station for station in stations}
        self._sites = {}
        for station in self._stations.values():
            if station.site_id:
                self._sites.setdefault(station.site_id, []).append(station.station_id)

    def station(self, station_id: str) -> Station | None:
        return self._stations.get(station_id)

    def site_of(self, station_id: str) -> str | None:
        station = self._stations.get(station_id)
        return station.site_id if station is not None else None

    # What rules ask

    def peers(self, code: str, feature: str, subject: Subject) -> Peers | None:
        return self.book.get(code, subject.group, feature, subject.key)

    def siblings(self, view: StationView) -> list[StationView]:
        site = self.site_of(view.station_id)
        return [other for other in self.site_stations(site or "") if other.station_id != view.station_id]

    def site_stations(self, site_id: str) -> list[StationView]:
        return [self._states[s].view for s in self._sites.get(site_id, ()) if s in self._states]

    def remembered(self, view: StationView, code: str) -> list[Any]:
        others = [s for s in self._sites.get(self.site_of(view.station_id) or "", ()) if s != view.station_id]
        states = [self._states[s] for s in others if s in self._states]
        slots = [state.slots.get((code, place)) for state in states for place in (None, *state.view.connectors)]
        return [slot.memory for slot in slots if slot is not None and slot.memory is not None]

    def holders(self, site_id: str, code: str) -> list[Holder]:
        found = []
        for station_id in self._sites.get(site_id, ()):
            state = self._states.get(station_id)
            if state is not None and (since := state.met_since(code)) is not None:
                found.append(Holder(state.view, since))
        return sorted(found, key=lambda holder: (holder.since, holder.view.station_id))

    def visits(self, vehicle: str) -> tuple[Visit, ...]:
        return self.vehicles.of(vehicle)

    def came_back(self, at: datetime) -> Back:
        links, sites = self.links.around(at)
        return Back(links, sites, sum(1 for station_id in self._states if not station_id.startswith(SITE)))

    def silence(self, view: StationView, *, window_s: float) -> Silence:
        """How many stations fell silent within `window_s` of this one, of those that lived until then."""
        at = view.last_frame
        if at is None:
            return Silence(0, 0, 0, 0, 0)
        frames = self._sorted_frames()
        window = timedelta(seconds=window_s)
        first = bisect_left(frames, (at - window, ""))
        last = bisect_right(frames, (at + window, "\U0010ffff"))
        sites: set[str | None] = set()
        for _, station_id in frames[first:last]:
            sites.add(self.site_of(station_id))
            if len(sites) >= _COUNTED_SITES:
                break
        others = [s for s in self._sites.get(self.site_of(view.station_id) or "", []) if s != view.station_id]
        heard = sum(1 for other in others if self._heard_after(other, at + window))
        return Silence(len(frames) - first, last - first, len(sites), len(others), len(others) - heard)

    def _heard_after(self, station_id: str, moment: datetime) -> bool:
        state = self._states.get(station_id)
        return state is not None and state.view.last_frame is not None and state.view.last_frame > moment

    def _sorted_frames(self) -> list[tuple[datetime, str]]:
        made_at, frames = self._frames
        if self.clock - made_at >= _SILENCE_CACHE or len(self._states) < _SMALL_NETWORK:
            frames = sorted(
                (state.view.last_frame, station_id)
                for station_id, state in self._states.items()
                if state.view.last_frame is not None and not station_id.startswith(SITE)
            )
            self._frames = (self.clock, frames)
        return frames
