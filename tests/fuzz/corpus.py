"""Inputs worth keeping: one for each thing that inputs were seen to lead to, and every one that found a fault.

A compressed file of JSON lines per target; those that found a fault stand first, and none is ever dropped.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.fuzz.target import Seed

FOLDER = Path(__file__).parents[1] / "data/corpus"
MOST = 250
LONGEST = 4_000


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `fault` names what it found; the code has been mended since."""

    variant: int
    data: str  # base64
    fault: str = ""

    @property
    def seed(self) -> Seed:
        return Seed(self.variant, base64.b64decode(self.data))


def kept(seed: Seed, fault: str = "") -> Kept:
    return Kept(variant=seed.variant, data=base64.b64encode(seed.data).decode(), fault=fault)


def read(name: str) -> list[Kept]:
    path = FOLDER / f"{name}.jsonl.gz"
    if not path.exists():
        return []
    with gzip.open(path) as file:
        return [msgspec.json.decode(line, type=Kept) for line in file]


def add(name: str, faults: Iterable[Kept], others: Iterable[Kept]) -> None:
    """Writes the corpus anew with these in it; of the others the short ones, as many as there is room for."""
    everything = {(one.variant, one.data): one for one in (*read(name), *faults)}
    for one in sorted(others, key=lambda one: len(one.data)):
        room = len(everything) < MOST and len(one.data) < LONGEST
        if room:
            everything.setdefault((one.variant, one.data), one)
    ordered = sorted(everything.values(), key=lambda one: (not one.fault, one.variant, one.data))
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Without a time in the header, the same inputs are the same file.
    with (FOLDER / f"{name}.jsonl.gz").open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
        for one in ordered:
            file.write(msgspec.json.encode(one) + b"\n")
