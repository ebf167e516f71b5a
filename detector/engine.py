"""Entries and time in, changes of findings out. Pure: `now` is given, nothing is read or written.

Time is the log's own: each entry is judged at the moment it was received, and every timer that falls due before
it runs first, at its own moment. So the outcome depends on the entries alone, not on how they were batched, how
often `tick` was called, or how far behind the reader was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from detector.changes import Change, ChangeKind
from detector.features import Window, collect, gather
from detector.fleet import Fleet
from detector.fold import Folded, Pseudonymise, fold
from detector.judging import Judge, LimitsAt
from detector.network import LONG_AGO, World
from detector.news import Told, only_values
from detector.rules import RULES, Limits
from detector.rules.base import Rule
from detector.state import StationState, decode, encode
from detector.view import ScoredWindow, StationView
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import Quarantined, QuarantineReason
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import Finding

SCORE_EVERY = timedelta(minutes=1)
"""Windows are judged by the models together, at whole minutes of the log's time."""

VISITS = "~visits"
"""Where what vehicles did is stored among the states; no station id begins so."""


class Watch(Protocol):
    """Who learns from stretches of charging and judges them. `suspects`: a finding stands on the station."""

    def take_all(self, windows: Sequence[Window], suspects: Sequence[bool]) -> list[ScoredWindow | None]: ...


class Engine:
    """Takes entries into stations' states, and keeps time. `partition_of` keeps apart the clocks of log partitions
    that are read at different speeds. `limits_at(site, model)` gives the thresholds of a place where they are not
    `thresholds`."""

    def __init__(
        self,
        *,
        thresholds: Limits,
        pseudonymise: Pseudonymise,
        heartbeat_s: float = 300.0,
        partition_of: Callable[[str], int] = lambda station_id: 0,
        rules: tuple[Rule, ...] = RULES,
        watch: Watch | None = None,
        limits_at: LimitsAt | None = None,
    ) -> None:
        self._by_code = {rule.code: rule for rule in rules}
        self._watch = watch
        self._pseudonymise = pseudonymise
        self._clocks: dict[int, datetime] = {}
        self._unscored: dict[int, list[str]] = {}  # partition -> stations with windows to score
        self._fleet = Fleet(partition_of)
        self._states = self._fleet.states
        self._world = World(self._states, heartbeat_s)
        self._judge = Judge(rules, thresholds, limits_at, self._fleet, self._world)

    # What goes in

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take up where encoded states left off."""
        for station_id, data in states.items():
            if station_id == VISITS:
                self._world.vehicles.restore(data)
                continue
            state = decode(data, self._by_code)
            if state is not None:
                self._fleet.take_in(station_id, state)
                self._fleet.schedule(state)
                self._judge.share_all(state)
                if state.score_at is not None:
                    self._unscored.setdefault(state.partition, []).append(station_id)

    def register(self, stations: Iterable[Station]) -> None:
        """What the network file says: sites, models, cables."""
        self._world.register(stations)

    def collector_lost(self, since: datetime) -> None:
        """Our own collector is down: silence means nothing until it is back."""
        self._world.blind_since = self._world.blind_since or since

    def listening(self, since: datetime) -> None:
        """We listen without a break from now on: every station is given its full time anew."""
        self._world.blind_since, self._world.listening_since = None, since

    @property
    def blind_since(self) -> datetime | None:
        return self._world.blind_since

    def observe(self, entries: Iterable[Entry]) -> list[Change]:
        """Entries in the order of their partition."""
        changes: list[Change] = []
        for entry in entries:
            if entry.reprocessing is not None:
                continue  # late by as long as somebody took to mend what kept it: it says nothing of now
            state = self._states.get(entry.station_id)
            if state is None:
                if _stranger(entry):
                    continue
                state = self._fleet.begin(entry.station_id)
            self._observe(state, entry, changes)
        return changes

    def _observe(self, state: StationState, entry: Entry, changes: list[Change]) -> None:
        partition = state.partition
        at = max(entry.received_at, self._clocks.get(partition, LONG_AGO))
        self._advance(partition, at, changes)
        if entry.kind is EntryKind.CONNECTED:
            self._world.links.note(self._world.site_of(entry.station_id), at)
        if not only_values(entry.facts):
            self._judge.catch_up(state, at, changes)
        folded = fold(state.view, entry, self._pseudonymise)
        for session in folded.ended:
            self._world.vehicles.note(session)
            changes.append(Change(kind=ChangeKind.SESSION, at=at, station_id=entry.station_id, session=session))
        windows = self._windows(state, entry, folded, at)
        self._judge.told(state, Told(state.view, entry, folded, windows, at), changes)

    def _windows(self, state: StationState, entry: Entry, folded: Folded, at: datetime) -> list[Window]:
        """Stretches of charging that this entry completed. The models judge them, and sessions and days that are
        over, at the next whole minute."""
        windows: list[Window] = []
        station = self._world.station(entry.station_id)
        for connector_id, samples in folded.samples.items():
            connector = state.view.connectors[connector_id]
            for sample in samples:
                window = collect(state.opened, state.view, connector, sample, station)
                if window is not None:
                    windows.append(window)
        if self._watch is None:
            return windows
        rows = [*windows, *gather(state.gathered, state.view, entry, folded, windows, at, station)]
        if rows:
            state.unscored += rows
            if state.score_at is None:
                step = SCORE_EVERY.total_seconds()
                state.score_at = at + timedelta(seconds=step - at.timestamp() % step)
                self._unscored.setdefault(state.partition, []).append(entry.station_id)
        return windows

    def tick(self, now: datetime, *, behind: Collection[int] = ()) -> list[Change]:
        """Run what falls due up to `now`, except in partitions whose reader is still behind."""
        changes: list[Change] = []
        for partition in self._fleet.timers.partitions() | self._unscored.keys():
            if partition not in behind:
                self._advance(partition, now, changes)
                self._clocks[partition] = max(now, self._clocks.get(partition, LONG_AGO))
        return changes

    # What comes out

    def take_touched(self) -> set[str]:
        """Stations whose state changed since this was last asked."""
        return self._fleet.take_touched()

    def encode(self, station_ids: Iterable[str]) -> dict[str, bytes]:
        return {station_id: encode(self._states[station_id]) for station_id in station_ids}

    def encode_visits(self) -> bytes:
        """What vehicles did, to be stored as `VISITS`."""
        return self._world.vehicles.encode()

    def standing(self) -> list[Finding]:
        """Every finding that stands, by station."""
        return [finding for state in self._states.values() for finding in state.standing()]

    def findings_of(self, station_id: str) -> list[Finding]:
        """Those of one station and its connectors that stand."""
        state = self._states.get(station_id)
        return state.standing() if state is not None else []

    def site_of(self, station_id: str) -> str | None:
        return self._world.site_of(station_id)

    def view(self, station_id: str) -> StationView | None:
        state = self._states.get(station_id)
        return state.view if state is not None else None

    # Time

    def _advance(self, partition: int, until: datetime, changes: list[Change]) -> None:
        """Everything of a partition that falls due, in the order of time."""
        while (score_at := self._score_at(partition)) is not None and score_at <= until:
            self._run_due(partition, score_at, changes)
            self._clocks[partition] = max(score_at, self._clocks.get(partition, LONG_AGO))
            self._score(partition, score_at, changes)
        self._run_due(partition, until, changes)
        if until > self._clocks.get(partition, LONG_AGO):
            self._clocks[partition] = until
        self._world.clock = max(self._world.clock, until)

    def _run_due(self, partition: int, until: datetime, changes: list[Change]) -> None:
        while (found := self._fleet.timers.pop(partition, until)) is not None:
            due_at, state = found[0], self._states[found[1]]
            if state.check_at is None:
                continue
            if state.check_at > due_at:
                self._fleet.schedule(state)  # put off meanwhile
                continue
            at = max(due_at, self._clocks.get(partition, LONG_AGO))
            self._clocks[partition] = at
            self._judge.due(state, at, changes)

    def _score_at(self, partition: int) -> datetime | None:
        """When the next windows are to be scored: all that wait do so for the same minute, or one that is over."""
        waiting = self._unscored.get(partition)
        return self._states[waiting[0]].score_at if waiting else None

    def _score(self, partition: int, at: datetime, changes: list[Change]) -> None:
        windows: list[Window] = []
        for station_id in self._unscored.pop(partition):
            state = self._states[station_id]
            windows += state.unscored
            state.unscored, state.score_at = [], None
            self._fleet.touch(state)
        if self._watch is None:
            return
        states = [self._states[window.station_id] for window in windows]
        scored = self._watch.take_all(windows, [bool(state.standing()) for state in states])
        for state, window, judged in zip(states, windows, scored, strict=True):
            connector = state.view.connector(window.connector_id)
            if judged is None or connector is None:
                continue
            self._judge.scored(state, connector, judged, at, changes)


def _stranger(entry: Entry) -> bool:
    """A station or device that no network file names is not watched."""
    return any(
        isinstance(fact, Quarantined) and fact.reason is QuarantineReason.UNKNOWN_STATION for fact in entry.facts
    )
