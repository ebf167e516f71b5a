"""The detector on virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from detector.assembly import make_engine, make_watch
from detector.changes import Change
from detector.desk import Desk
from detector.models import keeper
from detector.models.training import train_here
from detector.models.watch import ModelWatch
from detector.rules.base import Rule
from detector.tickets import policy_of
from laddvakt.domain.entries import Entry
from laddvakt.settings import Settings
from laddvakt.stores.ports import Records

LEARN_EVERY = timedelta(minutes=10)
MOST_WAITING = 5000
"""Rows to learn from that wait in memory."""


class ReplayDetector:
    """The running detector without threads, log and notifications. Tickets go to `records`. `seen` may put an ear
    on each rule, `watch` be given instead of the one that the settings ask for."""

    def __init__(
        self,
        settings: Settings,
        records: Records,
        *,
        seen: Callable[[Rule], Rule] = lambda rule: rule,
        watch: ModelWatch | None = None,
    ) -> None:
        self._records = records
        self._budget = settings.detector.false_tickets_per_connector_day
        self._watch = watch or make_watch(settings)
        self._engine = make_engine(settings, settings.privacy.key or "replay", 1, self._watch, seen=seen)
        self._desk = Desk(self._engine.site_of, policy_of(settings.tickets))
        self._learn_at: datetime | None = None
        with records.read() as work:
            self._engine.register(work.stations.all())

    def apply(self, entries: Sequence[Entry], now: datetime) -> None:
        """Entries in the order they were received."""
        self._settle(self._engine.observe(entries))

    def tick(self, now: datetime) -> None:
        self._settle(self._engine.tick(now))
        self._look(now)
        self._learn(now)

    def finish(self, now: datetime) -> None:
        """The end of the log: what is due by `now` is done, and the states are stored."""
        self.tick(now)
        with self._records.begin() as work:
            if self._watch is not None:
                keeper.keep_rows(work.detector, self._watch.take_gathered(), self._watch.encode(), now)
            work.detector.save(self._engine.encode(self._engine.take_touched()))

    def _learn(self, now: datetime) -> None:
        if self._watch is None or (self._learn_at is not None and now < self._learn_at):
            return
        self._learn_at = now + LEARN_EVERY
        decisions = self._watch.settle(now)
        need = self._watch.due(now)
        if not decisions and need is None and self._watch.waiting < MOST_WAITING:
            return
        with self._records.begin() as work:
            keeper.keep_rows(work.detector, self._watch.take_gathered(), self._watch.encode(), now)
            for decision in decisions:
                keeper.keep_decision(work.detector, decision, now=now)
            task = keeper.plan(need, work, budget=self._budget, now=now) if need is not None else None
        if need is None or task is None:
            return
        self._watch.tried(need.key, now)
        model = train_here(task, keeper.rows(self._records, need.key, now))
        if model is not None:
            self._watch.install(model)

    def _settle(self, changes: list[Change]) -> None:
        worth = [change for change in changes if self._desk.concerns(change)]
        if not worth:
            return
        with self._records.begin() as work:
            self._desk.handle(worth, work)

    def _look(self, now: datetime) -> None:
        if self._desk.wants_a_look(now):
            with self._records.begin() as work:
                self._desk.look(now, work)
