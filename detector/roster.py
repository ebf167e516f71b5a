"""Which rules an entry wakes. Pure; answers are kept, as most entries resemble one another.

Memory is bounded: answers for 4,096 kinds of entry, after which they are found anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from detector.news import Told, bits
from detector.rules.base import Rule, Scope, Wake
from detector.view import Sample

_MOST_KINDS = 4_096
_SAMPLE, _FRAME = bits({Wake.SAMPLE}), bits({Wake.FRAME})


class Woken(NamedTuple):
    """Rules to ask, in their order. `unsure` has those of them that only a frame wakes, which concerns a rule only
    while it waits. `prompt` are the rules but for slow ones, and `slow` those, which only samples wake."""

    rules: tuple[Rule, ...]
    unsure: frozenset[str]
    prompt: tuple[Rule, ...]
    slow: tuple[Rule, ...]


class Kind:
    """Of a sample: whether it was taken in a session, by whom, and its fields. The same kind is the same object,
    so an answer is found without looking through its fields."""

    __slots__ = ("charging", "fields", "source")

    def __init__(self, charging: bool, source: str, fields: tuple[str, ...]) -> None:
        self.charging, self.source, self.fields = charging, source, fields


Kinds = Mapping[int, tuple[Kind, ...]]  # by connector


class Roster:
    """The rules, and what wakes each."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = tuple(rules)
        self._of = {scope: tuple(rule for rule in rules if rule.scope is scope) for scope in Scope}
        self._known: dict[tuple[Scope, int, tuple[Kind, ...]], Woken] = {}
        self._seen: dict[tuple[bool, str, tuple[str, ...]], Kind] = {}
        self.of_sites = self._of[Scope.SITE]
        self.of_scores = tuple(rule for rule in self._of[Scope.CONNECTOR] if Wake.SCORED in rule.wakes)

    def kinds(self, told: Told) -> Kinds:
        """What kinds of samples an entry brought, by connector."""
        return {number: self._kinds_of(samples) for number, samples in told.samples.items()}

    def of_station(self, told: Told, kinds: Kinds) -> Woken:
        """Rules about the station as a whole, which everything that is told of it may wake."""
        everything = 0
        for wakes in told.wakes.values():
            everything |= wakes
        if len(kinds) == 1:
            return self._woken(Scope.STATION, everything, next(iter(kinds.values())))
        return self._woken(Scope.STATION, everything, tuple(dict.fromkeys(chain.from_iterable(kinds.values()))))

    def of_connector(self, told: Told, connector_id: int, kinds: Kinds) -> Woken:
        """Rules about a connector: by what is told of it, and of its station."""
        wakes = told.wakes.get(None, 0) | told.wakes.get(connector_id, 0)
        return self._woken(Scope.CONNECTOR, wakes, kinds.get(connector_id, ()))

    def slow_of(self, scope: Scope, samples: Sequence[Sample]) -> tuple[Rule, ...]:
        """Slow rules that want these samples, which were put aside."""
        return self._woken(scope, _SAMPLE, self._kinds_of(samples)).slow

    def _kinds_of(self, samples: Sequence[Sample]) -> tuple[Kind, ...]:
        seen, found = self._seen, []
        for sample in samples:
            said = (sample.transaction != "", sample.source, tuple(sample.values))
            kind = seen.get(said)
            if kind is None:
                if len(seen) >= _MOST_KINDS:
                    seen.clear()
                kind = seen[said] = Kind(*said)
            found.append(kind)
        return tuple(found) if len(found) == 1 else tuple(dict.fromkeys(found))

    def _woken(self, scope: Scope, wakes: int, kinds: tuple[Kind, ...]) -> Woken:
        found = self._known.get((scope, wakes, kinds))
        if found is None:
            if len(self._known) >= _MOST_KINDS:
                self._known.clear()
            found = self._known[scope, wakes, kinds] = _ask(self._of[scope], wakes, kinds)
        return found


def _wants(rule: Rule, kind: Kind) -> bool:
    return rule.wants(kind.fields, source=kind.source, charging=kind.charging)


def _ask(rules: Iterable[Rule], wakes: int, kinds: Sequence[Kind]) -> Woken:
    asked, unsure, slow = [], set(), set()
    for rule in rules:
        woken = bits(rule.wakes) & wakes
        if woken & _SAMPLE and not any(_wants(rule, kind) for kind in kinds):
            woken -= _SAMPLE
        if woken:
            asked.append(rule)
        if woken == _FRAME:
            unsure.add(rule.code)
        if rule.slow and woken & ~_FRAME == _SAMPLE:
            slow.add(rule.code)
    return Woken(
        rules=tuple(asked),
        unsure=frozenset(unsure),
        prompt=tuple(rule for rule in asked if rule.code not in slow),
        slow=tuple(rule for rule in asked if rule.code in slow),
    )
