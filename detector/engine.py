"""Entries and time in, changes of findings out. Pure: `now` is given, nothing is read or written.

Time is the log's own: each entry is judged at the moment it was received, and every timer that falls due before
it runs first, at its own moment. So the outcome depends on the entries alone, not on how they were batched, how
often `tick` was called, or how far behind the reader was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from detector.changes import Change, ChangeKind, clear, finding_key, not_met, told
from detector.features import Window, collect, gather
from detector.fold import Folded, Pseudonymise, fold
from detector.network import LONG_AGO, World
from detector.news import Told
from detector.roster import Roster
from detector.rules import RULES, Limits, anomaly
from detector.rules.base import NOTHING, News, Rule, Scope, Standing, Subject, Verdict
from detector.state import SITE, Slot, StationState, decode, encode
from detector.timers import Timers
from detector.view import ConnectorView, ScoredWindow, StationView
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import Quarantined, QuarantineReason
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import Finding

REFRESH = timedelta(hours=1)
"""How often a standing finding's evidence is worded anew."""
SCORE_EVERY = timedelta(minutes=1)
"""Windows are judged by the models together, at whole minutes of the log's time."""
HELD_RECHECK = timedelta(minutes=1)
"""How often a condition that something holds back is looked at again."""

VISITS = "~visits"
"""Where what vehicles did is stored among the states; no station id begins so."""


class Watch(Protocol):
    """Who learns from stretches of charging and judges them. `suspects`: a finding stands on the station."""

    def take_all(self, windows: Sequence[Window], suspects: Sequence[bool]) -> list[ScoredWindow | None]: ...


class Engine:
    """Holds every station's state. `partition_of` keeps apart the clocks of log partitions that are read at
    different speeds. `limits_at(site, model)` gives the thresholds of a place where they are not `thresholds`."""

    def __init__(
        self,
        *,
        thresholds: Limits,
        pseudonymise: Pseudonymise,
        heartbeat_s: float = 300.0,
        partition_of: Callable[[str], int] = lambda station_id: 0,
        rules: tuple[Rule, ...] = RULES,
        watch: Watch | None = None,
        limits_at: Callable[[str | None, str], Limits] | None = None,
    ) -> None:
        self._roster = Roster(rules)
        self._gathered = frozenset(code for rule in self._roster.of_sites for code in rule.gathers)
        self._by_code = {rule.code: rule for rule in rules}
        self._thresholds = thresholds
        self._limits_at = limits_at
        self._watch = watch
        self._pseudonymise = pseudonymise
        self._partition_of = partition_of
        self._states: dict[str, StationState] = {}
        self._timers = Timers()
        self._clocks: dict[int, datetime] = {}
        self._unscored: dict[int, list[str]] = {}  # partition -> stations with windows to score
        self._touched: set[str] = set()
        self._world = World(self._states, heartbeat_s)

    # What goes in

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take up where encoded states left off."""
        for station_id, data in states.items():
            if station_id == VISITS:
                self._world.vehicles.restore(data)
                continue
            state = decode(data, self._by_code)
            if state is not None:
                self._states[station_id] = state
                state.partition = self._partition_of(station_id)
                self._schedule(state)
                self._share_all(state)
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
                state = self._begin(entry.station_id)
            self._observe(state, entry, changes)
        return changes

    def _begin(self, key: str) -> StationState:
        state = StationState(view=StationView(station_id=key), partition=self._partition_of(key))
        self._states[key] = state
        return state

    def _observe(self, state: StationState, entry: Entry, changes: list[Change]) -> None:
        partition = state.partition
        at = max(entry.received_at, self._clocks.get(partition, LONG_AGO))
        self._advance(partition, at, changes)
        if entry.kind is EntryKind.CONNECTED:
            self._world.links.note(self._world.site_of(entry.station_id), at)
        folded = fold(state.view, entry, self._pseudonymise)
        for session in folded.ended:
            self._world.vehicles.note(session)
            changes.append(Change(kind=ChangeKind.SESSION, at=at, station_id=entry.station_id, session=session))
        windows = self._windows(state, entry, folded, at)
        self._judge_told(state, Told(state.view, entry, folded, windows, at), changes)

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
        for partition in self._timers.partitions() | self._unscored.keys():
            if partition not in behind:
                self._advance(partition, now, changes)
                self._clocks[partition] = max(now, self._clocks.get(partition, LONG_AGO))
        return changes

    # What comes out

    def take_touched(self) -> set[str]:
        """Stations whose state changed since this was last asked."""
        touched, self._touched = self._touched, set()
        return touched

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
        self._clocks[partition] = max(until, self._clocks.get(partition, LONG_AGO))
        self._world.clock = max(until, self._world.clock)

    def _run_due(self, partition: int, until: datetime, changes: list[Change]) -> None:
        while (found := self._timers.pop(partition, until)) is not None:
            due_at, state = found[0], self._states[found[1]]
            if state.check_at is None:
                continue
            if state.check_at > due_at:
                self._schedule(state)  # put off meanwhile
                continue
            at = max(due_at, self._clocks.get(partition, LONG_AGO))
            self._clocks[partition] = at
            self._judge_due(state, at, changes)

    def _schedule(self, state: StationState) -> None:
        if state.check_at is not None:
            self._timers.put(state.partition, state.view.station_id, state.check_at)

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
            self._touched.add(station_id)
        if self._watch is None:
            return
        states = [self._states[window.station_id] for window in windows]
        scored = self._watch.take_all(windows, [bool(state.standing()) for state in states])
        for state, window, judged in zip(states, windows, scored, strict=True):
            connector = state.view.connector(window.connector_id)
            if judged is None or connector is None:
                continue
            known = len(changes)
            subject = self._subject(state, connector, News(scored=(judged,)))
            for rule in self._roster.of_scores:
                self._judge_one(state, rule, subject, at, changes)
            self._settle(state, at, changes, known)

    # Judging

    def _subject(self, state: StationState, connector: ConnectorView | None, news: News) -> Subject:
        view = state.view
        station = self._world.station(view.station_id)
        limits = self._limits(station.site_id if station is not None else None, view)
        return Subject(
            view=view, connector=connector, station=station, network=self._world, news=news, limits=limits
        )

    def _judge_told(self, state: StationState, told: Told, changes: list[Change]) -> None:
        """The rules that the entry wakes: of the station, and of the connectors that it is about."""
        known = len(changes)
        asked = [w.rule for w in self._roster.of_station(told) if w.certain or _waits(state, w.rule, None)]
        if asked:
            subject = self._subject(state, None, told.everything())
            for rule in asked:
                self._judge_one(state, rule, subject, told.at, changes)
        connectors = state.view.connectors
        for number in list(connectors) if told.broad else told.connectors:
            if number not in connectors:
                continue
            woken = self._roster.of_connector(told, number)
            asked = [w.rule for w in woken if w.certain or _waits(state, w.rule, number)]
            if asked:
                subject = self._subject(state, connectors[number], told.about(number))
                for rule in asked:
                    self._judge_one(state, rule, subject, told.at, changes)
        self._settle(state, told.at, changes, known)

    def _judge_due(self, state: StationState, at: datetime, changes: list[Change]) -> None:
        known = len(changes)
        for (code, connector_id), slot in list(state.slots.items()):
            if slot.check_at is None or slot.check_at > at:
                continue
            rule = self._by_code[code]
            if rule.scope is Scope.SITE:
                self._judge_site_rule(state, rule, at, changes)
                continue
            connector = state.view.connectors.get(connector_id) if connector_id is not None else None
            self._judge_one(state, rule, self._subject(state, connector, NOTHING), at, changes)
        state.check_at = min((s.check_at for s in state.slots.values() if s.check_at is not None), default=None)
        self._settle(state, at, changes, known)

    def _settle(self, state: StationState, at: datetime, changes: list[Change], known: int) -> None:
        """After a station was judged: what follows from findings that came or went."""
        self._touched.add(state.view.station_id)
        self._schedule(state)
        if len(changes) == known:
            return
        for change in changes[known:]:
            if change.finding is None:
                continue
            if change.kind is ChangeKind.RAISED:
                self._absorb(state, change.finding, at, changes)
            if change.kind is ChangeKind.CLEARED:
                self._release(state, at, changes)
            if change.kind is not ChangeKind.STILL and change.finding.fault in self._gathered:
                self._judge_site(state, change.finding.fault, at, changes)

    def _judge_one(
        self, state: StationState, rule: Rule, subject: Subject, at: datetime, changes: list[Change]
    ) -> None:
        key = (rule.code, subject.connector_id)
        slot = state.slots.get(key)
        if slot is None:
            slot = state.slots[key] = Slot()
        limits = subject.limits[rule.code]
        verdict = rule.evaluate(subject, slot.memory, limits, at)
        if rule.share is not None and verdict.memory is not slot.memory:
            self._world.book.put(rule.code, subject.group, subject.key, rule.share(verdict.memory))
        slot.memory, slot.reason = verdict.memory, verdict.reason
        if verdict.standing is Standing.NOT_MET and verdict.check_at is None and slot.raised is None:
            slot.pending_since = slot.check_at = None  # as nearly always: nothing stands, nothing will by itself
            return
        own = None
        if verdict.standing is Standing.MET:
            own = self._met(state, rule, subject, slot, verdict, at, changes)
        elif verdict.standing is Standing.UNKNOWN:
            slot.clearing_since = None
        elif slot.raised is not None:
            own = not_met(state, slot, verdict, at, changes)
        else:
            slot.pending_since = None
        slot.check_at = _sooner(own, verdict.check_at, at)
        if slot.check_at is not None and (state.check_at is None or slot.check_at < state.check_at):
            state.check_at = slot.check_at

    def _limits(self, site_id: str | None, view: StationView) -> Limits:
        if self._limits_at is None:
            return self._thresholds
        return self._limits_at(site_id, f"{view.vendor} {view.model}".strip())

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
        if slot.raised is None and rule.code in self._gathered:
            self._judge_site(state, rule.code, at, changes)  # a site's finding takes its place
        limits = subject.limits[rule.code]
        finding = self._weighed(state, subject, rule.describe(subject, slot.memory, limits, at))
        if slot.raised is None and self._held_back(rule, finding, state, subject.connector_id):
            return at + HELD_RECHECK
        before, slot.raised = slot.raised, finding
        slot.variant, slot.described_at = verdict.variant, at
        if before is not None and finding_key(before) == finding_key(finding):
            changes.append(told(ChangeKind.STILL, at, finding, slot.reason))
            return at + REFRESH
        if before is not None:
            clear(state, before, "now_reported_otherwise", at, changes)
        changes.append(told(ChangeKind.RAISED, at, finding, slot.reason))
        return at + REFRESH

    def _weighed(self, state: StationState, subject: Subject, finding: Finding) -> Finding:
        """The finding, surer or less sure by what the models make of the same connector."""
        slot = state.slots.get((anomaly.RULE.code, finding.connector_id))
        if slot is None or slot.memory is None:
            return finding
        return anomaly.second_opinion(finding, slot.memory, subject.limits[anomaly.RULE.code])

    # Sites, and what holds what back

    def _judge_site(self, state: StationState, code: str, at: datetime, changes: list[Change]) -> None:
        site_id = self._world.site_of(state.view.station_id)
        if site_id is None:
            return
        site = self._states.get(SITE + site_id) or self._begin(SITE + site_id)
        for rule in self._roster.of_sites:
            if code in rule.gathers:
                self._judge_site_rule(site, rule, at, changes)

    def _judge_site_rule(self, site: StationState, rule: Rule, at: datetime, changes: list[Change]) -> None:
        known = len(changes)
        limits = self._limits(site.site_id, site.view)
        subject = Subject(view=site.view, network=self._world, site_id=site.site_id, limits=limits)
        self._judge_one(site, rule, subject, at, changes)
        self._touched.add(site.view.station_id)
        self._schedule(site)
        for change in changes[known:]:
            if change.finding is None or change.kind is ChangeKind.STILL:
                continue
            for view in self._world.site_stations(site.site_id or ""):
                state = self._states[view.station_id]
                if change.kind is ChangeKind.RAISED:
                    self._absorb(state, change.finding, at, changes)
                else:
                    self._release(state, at, changes)

    def _absorb(self, state: StationState, finding: Finding, at: datetime, changes: list[Change]) -> None:
        """Findings that stand and that this one explains are put under it."""
        for (code, connector_id), slot in state.slots.items():
            if slot.raised is None or finding.fault not in self._by_code[code].absorbed_by:
                continue
            if not _concerns(finding, connector_id) or not _explains(finding, slot.raised, self._by_code[code]):
                continue
            before, slot.raised = slot.raised, None
            slot.described_at, slot.variant = None, ""
            slot.check_at = at + HELD_RECHECK
            state.check_at = min(state.check_at or slot.check_at, slot.check_at)
            self._touched.add(state.view.station_id)
            self._schedule(state)
            clear(state, before, f"held_back_by:{finding.fault}", at, changes)

    def _release(self, state: StationState, at: datetime, changes: list[Change]) -> None:
        """A finding is gone: what it may have held back is judged now."""
        for (code, connector_id), slot in list(state.slots.items()):
            rule = self._by_code[code]
            if slot.raised is None and slot.pending_since is not None and rule.scope is not Scope.SITE:
                connector = state.view.connectors.get(connector_id) if connector_id is not None else None
                self._judge_one(state, rule, self._subject(state, connector, NOTHING), at, changes)
        self._schedule(state)

    def _held_back(self, rule: Rule, finding: Finding, state: StationState, connector_id: int | None) -> bool:
        """Inhibition: a connector under its station offline, a station under its site, an anomaly under a rule."""
        site = self._states.get(SITE + (self._world.site_of(state.view.station_id) or ""))
        standing = [f for f in state.standing() if _concerns(f, connector_id)]
        standing += site.standing() if site is not None else ()
        others = [other for other in standing if other.fault != rule.code]
        if any(other.fault in rule.inhibited_by for other in others) or ("*" in rule.inhibited_by and others):
            return True
        return any(o.fault in rule.absorbed_by and _explains(o, finding, rule) for o in others)

    def _share_all(self, state: StationState) -> None:
        """What its rules share, after a restart."""
        for (code, connector_id), slot in state.slots.items():
            rule = self._by_code[code]
            if rule.share is not None and slot.memory is not None:
                connector = state.view.connectors.get(connector_id) if connector_id is not None else None
                subject = self._subject(state, connector, NOTHING)
                self._world.book.put(code, subject.group, subject.key, rule.share(slot.memory))


def _sooner(one: datetime | None, other: datetime | None, after: datetime) -> datetime | None:
    """The sooner of two moments, of those that are still to come."""
    if one is None or one <= after:
        return other if other is not None and other > after else None
    return other if other is not None and after < other < one else one


def _waits(state: StationState, rule: Rule, connector_id: int | None) -> bool:
    """A mere frame wakes only a rule that may clear, or was never asked."""
    slot = state.slots.get((rule.code, connector_id))
    return slot is None or slot.pending_since is not None or slot.raised is not None


def _concerns(finding: Finding, connector_id: int | None) -> bool:
    """Whether a finding is about this connector: its own, the whole station, or the site."""
    return not finding.connector_id or not connector_id or finding.connector_id == connector_id


def _explains(finding: Finding, other: Finding, rule: Rule) -> bool:
    """Whether a finding takes the place of another, which is of `rule`."""
    return rule.explained is None or rule.explained(finding, other)


def _stranger(entry: Entry) -> bool:
    """A station or device that no network file names is not watched."""
    return any(
        isinstance(fact, Quarantined) and fact.reason is QuarantineReason.UNKNOWN_STATION for fact in entry.facts
    )
