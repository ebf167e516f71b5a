"""Asks rules and keeps what they answer: persistence, clearing, inhibition, sites. Pure.

What all rules share is here, so that a rule says only whether its condition is met now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from detector.changes import Change, ChangeKind, clear, finding_key, lasting, not_met, told
from detector.fleet import Fleet
from detector.network import World
from detector.news import Told, only_values
from detector.roster import Roster, Woken
from detector.rules import Limits, anomaly
from detector.rules.base import (
    NOTHING,
    Calm,
    News,
    Rule,
    Scope,
    Standing,
    Subject,
    Thresholds,
    Verdict,
)
from detector.state import SITE, Slot, StationState
from detector.view import ConnectorView, Sample, ScoredWindow, StationView
from laddvakt.domain.tickets import Finding

REFRESH = timedelta(hours=1)
"""How often a standing finding's evidence is worded anew."""
HELD_RECHECK = timedelta(minutes=1)
"""How often a condition that something holds back is looked at again."""

LimitsAt = Callable[[str | None, str], Limits]
"""The thresholds of a place: by site and model."""


class Judge:
    """The rules, at work on the stations of a fleet."""

    def __init__(
        self, rules: Sequence[Rule], thresholds: Limits, limits_at: LimitsAt | None, fleet: Fleet, world: World
    ) -> None:
        self._roster = Roster(rules)
        self._gathered = frozenset(code for rule in self._roster.of_sites for code in rule.gathers)
        self._by_code = {rule.code: rule for rule in rules}
        self._thresholds = thresholds
        self._limits_at = limits_at
        self._fleet = fleet
        self._world = world

    def _subject(self, state: StationState, connector: ConnectorView | None, news: News) -> Subject:
        view = state.view
        station = self._world.station(view.station_id)
        limits = self._limits(station.site_id if station is not None else None, view)
        return Subject(
            view=view, connector=connector, station=station, network=self._world, news=news, limits=limits
        )

    def told(self, state: StationState, told: Told, changes: list[Change]) -> None:
        """The rules that the entry wakes: of the station, and of the connectors that it is about."""
        known = len(changes)
        kinds = self._roster.kinds(told)
        woken = self._roster.of_station(told, kinds)
        asked, waits = _sure(state, woken, None, told), bool(woken.slow)
        if asked:
            self._ask(state, asked, self._subject(state, None, told.everything()), told.at, changes)
        connectors = state.view.connectors
        for number in list(connectors) if told.broad else told.connectors:
            connector = connectors.get(number)
            if connector is None:
                continue
            woken = self._roster.of_connector(told, number, kinds)
            asked, waits = _sure(state, woken, number, told), waits or bool(woken.slow)
            if asked:
                self._ask(state, asked, self._subject(state, connector, told.about(number)), told.at, changes)
        if waits and told.only_values:
            state.aside.put(told.samples, told.at)
            if state.aside.full(told.at):
                self._catch_up(state, told.at, changes)
        self._settle(state, told.at, changes, known)

    def catch_up(self, state: StationState, at: datetime, changes: list[Change]) -> None:
        """Slow rules are given what was put aside for them, before anything else changes."""
        if state.aside.samples:
            known = len(changes)
            self._catch_up(state, at, changes)
            self._settle(state, at, changes, known)

    def _catch_up(self, state: StationState, at: datetime, changes: list[Change]) -> None:
        aside = state.aside.take()
        everything = tuple([sample for _, sample in aside])
        asked = self._roster.slow_of(Scope.STATION, everything)
        if asked:
            self._ask(state, asked, self._subject(state, None, News(samples=everything)), at, changes)
        for number in dict.fromkeys([connector_id for connector_id, _ in aside]):
            samples = tuple([sample for connector_id, sample in aside if connector_id == number])
            asked = self._roster.slow_of(Scope.CONNECTOR, samples)
            if asked:
                subject = self._subject(state, state.view.connectors[number], News(samples=samples))
                self._ask(state, asked, subject, at, changes)

    def scored(
        self,
        state: StationState,
        connector: ConnectorView,
        judged: ScoredWindow,
        at: datetime,
        changes: list[Change],
    ) -> None:
        """What the models made of a stretch of charging."""
        known = len(changes)
        subject = self._subject(state, connector, News(scored=(judged,)))
        self._ask(state, self._roster.of_scores, subject, at, changes)
        self._settle(state, at, changes, known)

    def due(self, state: StationState, at: datetime, changes: list[Change]) -> None:
        """What rules asked to be looked at now."""
        self.catch_up(state, at, changes)
        known = len(changes)
        for (code, connector_id), slot in list(state.slots.items()):
            if slot.check_at is None or slot.check_at > at:
                continue
            rule = self._by_code[code]
            if rule.scope is Scope.SITE:
                self._judge_site_rule(state, rule, at, changes)
                continue
            connector = state.view.connectors.get(connector_id) if connector_id is not None else None
            self._ask(state, (rule,), self._subject(state, connector, NOTHING), at, changes)
        state.check_at = min((s.check_at for s in state.slots.values() if s.check_at is not None), default=None)
        self._settle(state, at, changes, known)

    def _settle(self, state: StationState, at: datetime, changes: list[Change], known: int) -> None:
        """After a station was judged: what follows from findings that came or went."""
        self._fleet.touch(state)
        self._fleet.schedule(state)
        if len(changes) == known:
            return
        for change in changes[known:]:
            if change.finding is None:
                continue
            if change.kind is ChangeKind.RAISED:
                self._absorb(state, change.finding, at, changes)
            if change.kind is ChangeKind.CLEARED:
                self._spend(state, change.finding, at)
                self._release(state, at, changes)
            if change.kind is not ChangeKind.STILL and change.finding.fault in self._gathered:
                self._judge_site(state, change.finding.fault, at, changes)
        changes[known:] = lasting(changes[known:])

    def _ask(
        self, state: StationState, rules: Iterable[Rule], subject: Subject, at: datetime, changes: list[Change]
    ) -> None:
        """Asks each of the rules, and keeps what it answers."""
        slots, connector_id, limits, news = state.slots, subject.connector_id, subject.limits, subject.news
        samples = news.samples if only_values(news.facts) else ()  # by which alone a rule may stay calm
        for rule in rules:
            slot = slots.get((rule.code, connector_id))
            if slot is None:
                slot = slots[rule.code, connector_id] = Slot()
            before, thresholds = slot.memory, limits[rule.code]
            calm = rule.calm
            if calm is not None and samples and slot.at_rest and _calm(calm, before, samples, thresholds):
                continue
            verdict = rule.evaluate(subject, before, thresholds, at)
            slot.memory, slot.reason = verdict.memory, verdict.reason
            if rule.share is not None and slot.memory is not before:
                self._world.book.put(rule.code, subject.group, subject.key, rule.share(slot.memory))
            if verdict.standing is Standing.NOT_MET and verdict.check_at is None and slot.raised is None:
                slot.pending_since = slot.check_at = None  # as nearly always: nothing stands
            else:
                self._keep(state, rule, subject, slot, verdict, at, changes)

    def _keep(
        self,
        state: StationState,
        rule: Rule,
        subject: Subject,
        slot: Slot,
        verdict: Verdict,
        at: datetime,
        changes: list[Change],
    ) -> None:
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
        if slot.pending_since is None:
            slot.pending_since, slot.spent = at, False
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
        holding = self._holding(rule, finding, state, subject.connector_id) if slot.raised is None else ()
        if holding:
            slot.spent = slot.spent or (rule.spent_by is not None and any(rule.spent_by(f.fault) for f in holding))
            return at + HELD_RECHECK
        if slot.spent:  # what held it back accounts for it, and is over
            slot.memory = rule.forget(slot.memory, None, at) if rule.forget is not None else None
            slot.pending_since, slot.spent = None, False
            return None
        before = slot.raised
        same = before is not None and finding_key(before) == finding_key(finding)
        if before is not None and same:  # it stands since it was found, whatever its rule still remembers
            finding = msgspec.structs.replace(finding, since=min(before.since, finding.since))
        slot.raised, slot.variant, slot.described_at = finding, verdict.variant, at
        if same:
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
        site = self._fleet.states.get(SITE + site_id) or self._fleet.begin(SITE + site_id)
        for rule in self._roster.of_sites:
            if code in rule.gathers:
                self._judge_site_rule(site, rule, at, changes)

    def _judge_site_rule(self, site: StationState, rule: Rule, at: datetime, changes: list[Change]) -> None:
        known = len(changes)
        limits = self._limits(site.site_id, site.view)
        subject = Subject(view=site.view, network=self._world, site_id=site.site_id, limits=limits)
        self._ask(site, (rule,), subject, at, changes)
        self._fleet.touch(site)
        self._fleet.schedule(site)
        for change in changes[known:]:
            if change.finding is None or change.kind is ChangeKind.STILL:
                continue
            for view in self._world.site_stations(site.site_id or ""):
                state = self._fleet.states[view.station_id]
                if change.kind is ChangeKind.RAISED:
                    self._absorb(state, change.finding, at, changes)
                else:
                    self._spend(state, change.finding, at)
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
            self._fleet.touch(state)
            self._fleet.schedule(state)
            clear(state, before, f"held_back_by:{finding.fault}", at, changes)

    def _spend(self, state: StationState, finding: Finding, at: datetime) -> None:
        """A finding is gone: what it accounts for is forgotten, whether it held something back or not."""
        for (code, connector_id), slot in state.slots.items():
            rule = self._by_code[code]
            if rule.forget is None or rule.spent_by is None or not rule.spent_by(finding.fault):
                continue
            if slot.raised is None and _concerns(finding, connector_id):
                slot.memory = rule.forget(slot.memory, finding.since, at)

    def _release(self, state: StationState, at: datetime, changes: list[Change]) -> None:
        """A finding is gone: what it may have held back is judged now."""
        for (code, connector_id), slot in list(state.slots.items()):
            rule = self._by_code[code]
            if slot.raised is None and slot.pending_since is not None and rule.scope is not Scope.SITE:
                connector = state.view.connectors.get(connector_id) if connector_id is not None else None
                self._ask(state, (rule,), self._subject(state, connector, NOTHING), at, changes)
        self._fleet.schedule(state)

    def _holding(
        self, rule: Rule, finding: Finding, state: StationState, connector_id: int | None
    ) -> Sequence[Finding]:
        """Inhibition: a connector under its station offline, a station under its site, an anomaly under a rule."""
        site = self._fleet.states.get(SITE + (self._world.site_of(state.view.station_id) or ""))
        standing = [f for f in state.standing() if _concerns(f, connector_id)]
        standing += site.standing() if site is not None else ()
        others = [other for other in standing if other.fault != rule.code]
        if "*" in rule.inhibited_by:
            return others
        return [
            other
            for other in others
            if other.fault in rule.inhibited_by
            or (other.fault in rule.absorbed_by and _explains(other, finding, rule))
        ]

    def share_all(self, state: StationState) -> None:
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


def _sure(state: StationState, woken: Woken, connector_id: int | None, told: Told) -> Sequence[Rule]:
    """Those to ask now. A mere frame wakes only a rule that may clear, or was never asked."""
    rules = woken.prompt if told.only_values else woken.rules
    if not woken.unsure:
        return rules
    return [rule for rule in rules if rule.code not in woken.unsure or _waits(state, rule, connector_id)]


def _calm(calm: Calm, memory: Any, samples: Sequence[Sample], thresholds: Thresholds) -> bool:
    """Whether none of the samples matters."""
    for sample in samples:  # noqa: SIM110 - the hottest loop of the detector
        if not calm(memory, sample, thresholds):
            return False
    return True


def _waits(state: StationState, rule: Rule, connector_id: int | None) -> bool:
    slot = state.slots.get((rule.code, connector_id))
    return slot is None or slot.pending_since is not None or slot.raised is not None


def _concerns(finding: Finding, connector_id: int | None) -> bool:
    """Whether a finding is about this connector: its own, the whole station, or the site."""
    return not finding.connector_id or not connector_id or finding.connector_id == connector_id


def _explains(finding: Finding, other: Finding, rule: Rule) -> bool:
    """Whether a finding takes the place of another, which is of `rule`."""
    return rule.explained is None or rule.explained(finding, other)
