"""Which rules an entry wakes. Pure; answers are kept, as most entries resemble one another.

Memory is bounded: answers for 4,096 kinds of entry, after which they are found anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from detector.news import Told
from detector.rules.base import Rule, Scope, Wake
from detector.view import Sample

_MOST_KINDS = 4_096
_NONE: frozenset[Wake] = frozenset()


class Woken(NamedTuple):
    """A rule to ask. `certain` is false where only a frame wakes it, which concerns it only while it waits."""

    rule: Rule
    certain: bool


Kind = tuple[bool, tuple[str, ...]]  # of a sample: whether it was taken in a session; its fields


class Roster:
    """The rules, and what wakes each."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = tuple(rules)
        self._of = {scope: tuple(rule for rule in rules if rule.scope is scope) for scope in Scope}
        self._known: dict[tuple[Scope, frozenset[Wake], tuple[Kind, ...]], tuple[Woken, ...]] = {}
        self.of_sites = self._of[Scope.SITE]
        self.of_scores = tuple(rule for rule in self._of[Scope.CONNECTOR] if Wake.SCORED in rule.wakes)

    def of_station(self, told: Told) -> tuple[Woken, ...]:
        """Rules about the station as a whole, which everything that is told of it may wake."""
        wakes = told.wakes
        everything = next(iter(wakes.values())) if len(wakes) == 1 else _NONE.union(*wakes.values())
        samples = [sample for taken in told.samples.values() for sample in taken] if told.samples else ()
        return self._woken(Scope.STATION, frozenset(everything), samples)

    def of_connector(self, told: Told, connector_id: int) -> tuple[Woken, ...]:
        """Rules about a connector: by what is told of it, and of its station."""
        wakes = told.wakes.get(None, _NONE) | told.wakes.get(connector_id, _NONE)
        return self._woken(Scope.CONNECTOR, frozenset(wakes), told.samples.get(connector_id, ()))

    def _woken(self, scope: Scope, wakes: frozenset[Wake], samples: Sequence[Sample]) -> tuple[Woken, ...]:
        kinds = tuple((sample.transaction != "", tuple(sample.values)) for sample in samples)
        if len(kinds) > 1:
            kinds = tuple(dict.fromkeys(kinds))
        found = self._known.get((scope, wakes, kinds))
        if found is None:
            if len(self._known) >= _MOST_KINDS:
                self._known.clear()
            found = self._known[scope, wakes, kinds] = tuple(_ask(self._of[scope], wakes, kinds))
        return found


def _ask(rules: Iterable[Rule], wakes: frozenset[Wake], kinds: Sequence[Kind]) -> Iterable[Woken]:
    for rule in rules:
        woken = rule.wakes & wakes
        if Wake.SAMPLE in woken and not any(rule.wants(fields, charging=charging) for charging, fields in kinds):
            woken -= {Wake.SAMPLE}
        if woken:
            yield Woken(rule, woken != {Wake.FRAME})
