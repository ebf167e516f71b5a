"""Runs of inputs: each slice draws from its own seed, so that any slice can be run again by itself.

Within a slice inputs are made of inputs that led to something new, so it finds its way without looking into the
code: what a message leads to (its facts, its reply, its error) says more here than which lines were reached.
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import Any, NamedTuple

import msgspec

from tests.fuzz import corpus
from tests.fuzz.mutate import another, at, changed, damaged, paths_of
from tests.fuzz.target import Run, Seed, Target

_MOST_PARENTS = 2_000
_LONGEST = 20_000
_MOST_PLACES = 400
_FAULTS = 20  # of one slice; then it ends


class Slice(NamedTuple):
    """`inputs` of a target, from the seed `seed/target/number`."""

    target: str
    seed: int
    number: int
    inputs: int


class Fault(NamedTuple):
    """What an input found."""

    seed: Seed
    error: str
    trace: str


class Found(NamedTuple):
    """The result of a slice. `fresh` are inputs that led to something no seed led to."""

    slice: Slice
    done: int
    fresh: dict[Hashable, Seed]
    faults: list[Fault]


class _Parent(NamedTuple):
    """An input to make others of; `tree` and its places, where it is a document."""

    seed: Seed
    tree: Any = None
    places: tuple[tuple[Any, ...], ...] = ()


class Fuzzer:
    """One target with its parents."""

    def __init__(self, target: Target, chance: random.Random) -> None:
        self._target = target
        self._chance = chance
        self._parents: list[_Parent] = []
        seeds = [*target.seeds(), *(one.seed for one in corpus.read(target.name))]
        for seed in seeds:
            self._adopt(seed)
        self.seeds = seeds

    def _adopt(self, seed: Seed) -> None:
        tree, places = None, ()
        if self._target.form is not None:
            try:
                tree = self._target.form.load(seed.data)
                places = tuple(paths_of(tree)[:_MOST_PLACES])
            except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError, TypeError):
                tree, places = None, ()
        self._parents.append(_Parent(seed, tree, places))

    def learn(self, seed: Seed) -> None:
        """It led to something new."""
        if len(self._parents) < _MOST_PARENTS and len(seed.data) < _LONGEST:
            self._adopt(seed)

    def next(self) -> Seed:
        chance = self._chance
        parent = chance.choice(self._parents)
        variant = parent.seed.variant if chance.random() < 0.8 else chance.randrange(self._target.variants)
        if len(parent.places) > 1 and self._target.form is not None and chance.random() < 0.7:
            data = self._document(parent)
            if data is not None and chance.random() < 0.9:
                return Seed(variant, data)
        other = chance.choice(self._parents).seed.data
        return Seed(variant, damaged(chance, parent.seed.data, other)[:_LONGEST])

    def _document(self, parent: _Parent) -> bytes | None:
        chance, tree = self._chance, parent.tree
        other = chance.choice(self._parents)
        others = [at(other.tree, chance.choice(other.places))] if other.places else []
        place = chance.choice(parent.places)
        assert self._target.form is not None
        try:
            tree = changed(tree, place, lambda value: another(chance, value, others))
            return self._target.form.dump(tree)
        except (msgspec.MsgspecError, UnicodeError, ValueError, OverflowError, TypeError, RecursionError):
            return None  # beyond what Python counts, or this form says


def run(target: Target, part: Slice) -> Found:
    """All inputs of a slice, or those up to its twentieth fault."""
    import traceback

    chance = random.Random(f"{part.seed}/{part.target}/{part.number}")  # inputs, not secrets
    fuzzer, function = Fuzzer(target, chance), target.run()
    known: set[Hashable] = set()
    found = Found(part, 0, {}, [])
    for seed in fuzzer.seeds:
        _try(function, seed, found.faults, known)
    done = len(fuzzer.seeds)
    while done < part.inputs and len(found.faults) < _FAULTS:
        done += 1
        seed = fuzzer.next()
        try:
            sign = function(seed.variant, seed.data)
        except Exception as error:  # whatever it is, it is a fault
            found.faults.append(Fault(seed, f"{type(error).__name__}: {error}"[:300], traceback.format_exc()))
            continue
        if sign not in known:
            known.add(sign)
            found.fresh[sign] = seed
            fuzzer.learn(seed)
    return found._replace(done=done)


def _try(function: Run, seed: Seed, faults: list[Fault], known: set[Hashable]) -> None:
    import traceback

    try:
        known.add(function(seed.variant, seed.data))
    except Exception as error:  # a seed too may find one
        faults.append(Fault(seed, f"{type(error).__name__}: {error}"[:300], traceback.format_exc()))
