"""Entries and time in, changes of findings out. Pure: `now` is given, nothing is read or written.

Time is the log's own: each entry is judged at the moment it was received, and every timer that falls due before
it runs first, at its own moment. So the outcome depends on the entries alone, not on how they were batched, how
often `tick` was called, or how far behind the reader was.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from detector.features import Window, collect
from detector.fold import Pseudonymise, fold
from detector.rules import RULES
from detector.rules.base import Rule, Scope, Silence, Standing, Subject, Verdict
from detector.state import Slot, StationState, decode, encode
from detector.view import ConnectorView, ScoredWindow, SessionEnded, StationView
from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import Measured, Quarantined, QuarantineReason, StatusReported, TransactionStarted
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import Finding

REFRESH = timedelta(hours=1)
"""How often a standing finding's evidence is worded anew."""

_SILENCE_CACHE = timedelta(seconds=10)
_SMALL_NETWORK = 500
_COUNTED_SITES = 8
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class ChangeKind(StrEnum):
    """What happened to a finding, or what else the ticket desk wants to know."""

    RAISED = "raised"  # it stands now
    STILL = "still"  # it stands on, with fresh evidence
    CLEARED = "cleared"  # it stands no more
    SESSION = "session"  # a session ended


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `finding` is given for all kinds but `session`; `reason` is the rule's own."""

    kind: ChangeKind
    at: datetime
    station_id: str
    finding: Finding | None = None
    reason: str = ""
    session: SessionEnded | None = None


class Watch(Protocol):
    """Who learns from stretches of charging and judges them. `suspect`: a finding stands on the station."""

    def take(self, window: Window, *, suspect: bool) -> ScoredWindow | None: ...


def finding_key(finding: Finding) -> tuple[str, str, str]:
    """One ticket per fault and asset."""
    return finding.fault, finding.asset.kind, finding.asset.id


class Engine:
    """Holds every station's state. `partition_of` keeps apart the clocks of log partitions that are read at
    different speeds. The engine is also the `Network` that rules may ask."""

    def __init__(
        self,
        *,
        thresholds: Mapping[str, Mapping[str, float]],
        pseudonymise: Pseudonymise,
        heartbeat_s: float = 300.0,
        partition_of: Callable[[str], int] = lambda station_id: 0,
        rules: tuple[Rule, ...] = RULES,
        watch: Watch | None = None,
    ) -> None:
        self._rules = sorted(rules, key=lambda rule: rule.scope is not Scope.STATION)
        self._by_code = {rule.code: rule for rule in rules}
        self._thresholds = thresholds
        self._watch = watch
        self._pseudonymise = pseudonymise
        self._partition_of = partition_of
        self._states: dict[str, StationState] = {}
        self._stations: dict[str, Station] = {}
        self._sites: dict[str, list[str]] = {}
        self._due: dict[int, list[tuple[datetime, str]]] = {}
        self._scheduled: dict[str, datetime] = {}
        self._clocks: dict[int, datetime] = {}
        self._touched: set[str] = set()
        self._frames: tuple[datetime, list[tuple[datetime, str]]] = (_LONG_AGO, [])
        self.heartbeat_s = heartbeat_s
        self.blind_since: datetime | None = None
        self.listening_since: datetime | None = None

    # What goes in

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take up where encoded states left off."""
        for station_id, data in states.items():
            state = decode(data, self._by_code)
            if state is not None:
                self._states[station_id] = state
                self._schedule(state)

    def register(self, stations: Iterable[Station]) -> None:
        """What the network file says: sites, models, cables."""
        self._stations = {station.station_id: station for station in stations}
        self._sites = {}
        for station in self._stations.values():
            if station.site_id:
                self._sites.setdefault(station.site_id, []).append(station.station_id)

    def collector_lost(self, since: datetime) -> None:
        """Our own collector is down: silence means nothing until it is back."""
        self.blind_since = self.blind_since or since

    def listening(self, since: datetime) -> None:
        """We listen without a break from now on: every station is given its full time anew."""
        self.blind_since, self.listening_since = None, since

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
                state = self._states[entry.station_id] = StationState(
                    view=StationView(station_id=entry.station_id)
                )
            partition = self._partition_of(entry.station_id)
            at = max(entry.received_at, self._clocks.get(partition, _LONG_AGO))
            self._run_due(partition, at, changes)
            self._clocks[partition] = at
            before = (state.view.connected, state.view.clock.behind_s)
            for session in fold(state.view, entry, self._pseudonymise):
                changes.append(
                    Change(kind=ChangeKind.SESSION, at=at, station_id=entry.station_id, session=session)
                )
            if self._watch is not None:
                self._score(state, entry, self._watch)
            same_link = before == (state.view.connected, state.view.clock.behind_s)
            self._judge(state, at, changes, about=_about(entry) if same_link else None)
        return changes

    def _score(self, state: StationState, entry: Entry, watch: Watch) -> None:
        """Stretches of charging that this entry completed, judged by the models."""
        for fact in entry.facts:
            if not isinstance(fact, Measured):
                continue
            station = self._stations.get(entry.station_id)
            for window in collect(state.opened, state.view, fact, entry.received_at, station):
                scored = watch.take(window, suspect=bool(state.standing()))
                connector = state.view.connector(window.connector_id)
                if scored is not None and connector is not None:
                    connector.score(scored)

    def tick(self, now: datetime, *, behind: Collection[int] = ()) -> list[Change]:
        """Run what falls due up to `now`, except in partitions whose reader is still behind."""
        changes: list[Change] = []
        for partition in list(self._due):
            if partition not in behind:
                self._run_due(partition, now, changes)
                self._clocks[partition] = max(now, self._clocks.get(partition, _LONG_AGO))
        return changes

    # What comes out

    def take_touched(self) -> set[str]:
        """Stations whose state changed since this was last asked."""
        touched, self._touched = self._touched, set()
        return touched

    def encode(self, station_ids: Iterable[str]) -> dict[str, bytes]:
        return {station_id: encode(self._states[station_id]) for station_id in station_ids}

    def standing(self) -> list[Finding]:
        """Every finding that stands, by station."""
        return [finding for state in self._states.values() for finding in state.standing()]

    def site_of(self, station_id: str) -> str | None:
        station = self._stations.get(station_id)
        return station.site_id if station is not None else None

    def view(self, station_id: str) -> StationView | None:
        state = self._states.get(station_id)
        return state.view if state is not None else None

    # Judging

    def _run_due(self, partition: int, until: datetime, changes: list[Change]) -> None:
        heap = self._due.get(partition, [])
        while heap and heap[0][0] <= until:
            due_at, station_id = heapq.heappop(heap)
            if self._scheduled.get(station_id) != due_at:
                continue  # an earlier check took its place
            del self._scheduled[station_id]
            state = self._states[station_id]
            if state.check_at is None:
                continue
            if state.check_at > due_at:
                self._schedule(state)  # put off meanwhile
                continue
            at = max(due_at, self._clocks.get(partition, _LONG_AGO))
            self._clocks[partition] = at
            self._judge(state, at, changes, about=frozenset())

    def _schedule(self, state: StationState) -> None:
        """One timer per station. A check that is put off keeps its old timer, which then sets the new one: so a
        busy station does not fill the heap."""
        station_id = state.view.station_id
        scheduled = self._scheduled.get(station_id)
        if state.check_at is None or (scheduled is not None and scheduled <= state.check_at):
            return
        self._scheduled[station_id] = state.check_at
        heapq.heappush(self._due.setdefault(self._partition_of(station_id), []), (state.check_at, station_id))

    def _judge(
        self, state: StationState, at: datetime, changes: list[Change], *, about: Collection[int] | None
    ) -> None:
        """Judge the station, and of its connectors those that something was said about (None: all) or that are
        due; and all of them once a finding came or went, as one may hold another back."""
        station = self._stations.get(state.view.station_id)
        known, next_checks = len(changes), []
        for rule in self._rules:
            subjects: list[ConnectorView | None] = [None]
            if rule.scope is Scope.CONNECTOR:
                subjects = list(state.view.connectors.values())
            everything = about is None or rule.scope is Scope.STATION or len(changes) > known
            for connector in subjects:
                connector_id = connector.connector_id if connector is not None else None
                slot = state.slots.get((rule.code, connector_id))
                if slot is None:
                    slot = state.slots[(rule.code, connector_id)] = Slot()
                elif not (everything or connector_id in (about or ()) or _is_due(slot, at)):
                    next_checks.append(slot.check_at)
                    continue
                subject = Subject(view=state.view, connector=connector, station=station, network=self)
                slot.check_at = self._judge_one(state, rule, subject, slot, at, changes)
                next_checks.append(slot.check_at)
        self._touched.add(state.view.station_id)
        state.check_at = min((moment for moment in next_checks if moment is not None), default=None)
        self._schedule(state)

    def _judge_one(
        self,
        state: StationState,
        rule: Rule,
        subject: Subject,
        slot: Slot,
        at: datetime,
        changes: list[Change],
    ) -> datetime | None:
        verdict = rule.evaluate(subject, slot.memory, self._thresholds[rule.code], at)
        slot.memory, slot.reason = verdict.memory, str(verdict.reason)
        if verdict.standing is Standing.MET:
            own = self._met(state, rule, subject, slot, verdict, at, changes)
        elif verdict.standing is Standing.NOT_MET:
            own = _not_met(state, slot, verdict, at, changes)
        else:
            slot.clearing_since, own = None, None
        later = [moment for moment in (own, verdict.check_at) if moment is not None and moment > at]
        return min(later, default=None)

    def _met(
        self,
        state: StationState,
        rule: Rule,
        subject: Subject,
        slot: Slot,
        verdict: Verdict,
        at: datetime,
        changes: list[Change],
    ) -> datetime | None:
        slot.clearing_since = None
        slot.pending_since = slot.pending_since or at
        described_at = slot.described_at or at
        if slot.raised is not None and slot.variant == verdict.variant and at < described_at + REFRESH:
            return described_at + REFRESH
        ripe_at = slot.pending_since + timedelta(seconds=verdict.persist_s)
        if slot.raised is None and at < ripe_at:
            return ripe_at
        if slot.raised is None and _held_back(rule, state):
            return None  # looked at again with the next entry, or when what holds it back is judged
        finding = rule.describe(subject, slot.memory, self._thresholds[rule.code], at)
        before, slot.raised = slot.raised, finding
        slot.variant, slot.described_at = verdict.variant, at
        if before is not None and finding_key(before) == finding_key(finding):
            changes.append(_change(ChangeKind.STILL, at, finding, slot.reason))
            return at + REFRESH
        if before is not None:
            _clear(state, before, "now_reported_otherwise", at, changes)
        changes.append(_change(ChangeKind.RAISED, at, finding, slot.reason))
        return at + REFRESH

    # The network, for rules

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
        now = max(self._clocks.values(), default=_LONG_AGO)
        made_at, frames = self._frames
        if now - made_at >= _SILENCE_CACHE or len(self._states) < _SMALL_NETWORK:
            frames = sorted(
                (state.view.last_frame, station_id)
                for station_id, state in self._states.items()
                if state.view.last_frame is not None
            )
            self._frames = (now, frames)
        return frames


def _stranger(entry: Entry) -> bool:
    """A station or device that no network file names is not watched."""
    return any(
        isinstance(fact, Quarantined) and fact.reason is QuarantineReason.UNKNOWN_STATION for fact in entry.facts
    )


def _about(entry: Entry) -> Collection[int] | None:
    """The connectors that an entry says something about; None where it may be any."""
    connectors = set()
    for fact in entry.facts:
        if not isinstance(fact, Measured | StatusReported | TransactionStarted):
            return None
        connectors.add(fact.connector_id)
    return connectors


def _is_due(slot: Slot, at: datetime) -> bool:
    return slot.check_at is not None and slot.check_at <= at


def _held_back(rule: Rule, state: StationState) -> bool:
    """Inhibition: a connector under its station offline, an anomaly under a rule that names the fault."""
    held_by = {finding.fault for finding in state.standing()} - {rule.code}
    return bool(held_by) if "*" in rule.inhibited_by else not held_by.isdisjoint(rule.inhibited_by)


def _change(kind: ChangeKind, at: datetime, finding: Finding, reason: str) -> Change:
    return Change(kind=kind, at=at, station_id=finding.station_id, finding=finding, reason=reason)


def _not_met(
    state: StationState, slot: Slot, verdict: Verdict, at: datetime, changes: list[Change]
) -> datetime | None:
    slot.pending_since = None
    if slot.raised is None:
        return None
    slot.clearing_since = slot.clearing_since or at
    clear_at = slot.clearing_since + timedelta(seconds=verdict.clear_after_s)
    if at < clear_at:
        return clear_at
    before, slot.raised = slot.raised, None
    slot.clearing_since, slot.described_at, slot.variant = None, None, ""
    _clear(state, before, slot.reason, at, changes)
    return None


def _clear(state: StationState, finding: Finding, reason: str, at: datetime, changes: list[Change]) -> None:
    """Cleared, unless another connector's finding holds the same fault of the same asset up."""
    other = next((f for f in state.standing() if finding_key(f) == finding_key(finding)), None)
    if other is not None:
        changes.append(_change(ChangeKind.STILL, at, other, reason))
        return
    changes.append(_change(ChangeKind.CLEARED, at, finding, reason))
