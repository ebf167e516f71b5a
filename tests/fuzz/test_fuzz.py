"""The corpus again, and a few seconds of new inputs; `make fuzz` runs ten million."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import corpus, slices
from tests.fuzz.mutate import at, changed, damaged, paths_of
from tests.fuzz.plan import planned
from tests.fuzz.slices import Slice
from tests.fuzz.target import Seed, Target
from tests.fuzz.targets import TARGETS

SHORT = {"mappings": 150, "networks": 40}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_finds_a_fault(name: str) -> None:
    run, kept = TARGETS[name].run(), corpus.read(name)
    assert kept
    for one in kept:
        run(*one.seed)


@pytest.mark.parametrize("name", TARGETS)
def test_no_new_input_finds_a_fault(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    count = len(corpus.read(name)) + len(TARGETS[name].seeds()) + SHORT.get(name, 2_000)
    found = slices.run(TARGETS[name], Slice(name, 7, 0, count))
    assert found.faults == []
    assert found.done == count


def _target(seen: list[bytes]) -> Target:
    def run(_: int, data: bytes) -> int:
        seen.append(data)
        assert b"\xff" not in data
        return len(data) % 5

    return Target("example", 1.0, lambda: [Seed(0, b'{"a": [1, "x"]}')], lambda: run)


def test_a_slice_makes_the_same_inputs_again_and_names_its_faults() -> None:
    one, other = list[bytes](), list[bytes]()
    found = slices.run(_target(one), Slice("example", 1, 3, 5_000))
    slices.run(_target(other), Slice("example", 1, 3, 5_000))
    assert one == other
    assert found.faults
    assert all(fault.error.startswith("AssertionError") and b"\xff" in fault.seed.data for fault in found.faults)
    assert len(found.fresh) > 2


def test_ten_million_are_planned_to_the_last_input() -> None:
    parts = planned(list(TARGETS), 10_000_000, 1)
    assert sum(part.inputs for part in parts) == 10_000_000
    assert {part.target for part in parts} == TARGETS.keys()
    assert len({part[:3] for part in parts}) == len(parts)


def test_a_change_leaves_the_document_as_it_was() -> None:
    tree = {"a": [1, {"b": 2}]}
    assert paths_of(tree) == [(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b")]
    assert changed(tree, ("a", 1, "b"), lambda value: value + 1) == {"a": [1, {"b": 3}]}
    assert at(tree, ("a", 1, "b")) == 2


def test_damage_is_drawn_from_the_chance_alone() -> None:
    made = [damaged(random.Random(seed), b"some bytes", b"others") for seed in range(200)]
    assert made == [damaged(random.Random(seed), b"some bytes", b"others") for seed in range(200)]
    assert len(set(made)) > 100
