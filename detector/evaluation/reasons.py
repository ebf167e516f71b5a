"""What a rule held while the fault that it looks for was there: why it kept silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from detector.rules.base import Rule, Scope, Standing, Subject, Thresholds, Verdict


class Wanted(NamedTuple):
    """A fault whose rule is listened to. `connector_id` None: any."""

    number: int
    fault: str
    stations: tuple[str, ...]
    connector_id: int | None
    since: datetime
    until: datetime


class Ear:
    """Counts what rules answer where and while there is something to find. Changes no answer."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self.heard: dict[int, Counter[str]] = {}
        self._wanted: dict[tuple[str, str], list[Wanted]] = {}
        for one in wanted:
            for station_id in one.stations:
                self._wanted.setdefault((one.fault, station_id), []).append(one)

    def on(self, rule: Rule) -> Rule:
        """The same rule, listened to."""
        if rule.scope is Scope.SITE or not any(code == rule.code for code, _ in self._wanted):
            return rule
        evaluate, code = rule.evaluate, rule.code

        def heard(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
            verdict = evaluate(subject, memory, thresholds, now)
            for one in self._wanted.get((code, subject.view.station_id), ()):
                here = one.connector_id is None or subject.connector_id in (None, 0, one.connector_id)
                if here and one.since <= now <= one.until:
                    self._note(one.number, verdict)
            return verdict

        return replace(rule, evaluate=heard)

    def _note(self, number: int, verdict: Verdict) -> None:
        mark = "!" if verdict.standing is Standing.MET else ""
        self.heard.setdefault(number, Counter())[f"{verdict.reason}{mark}"] += 1

    def words(self, number: int) -> str:
        """`41 steady_current, 3 one_vehicle!`; with `!` the rule's condition was met."""
        return ", ".join(f"{count} {reason}" for reason, count in self.heard.get(number, Counter()).most_common(6))
