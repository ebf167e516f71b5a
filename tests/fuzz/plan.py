"""Which slices a run consists of, and one of them in a worker process."""

from __future__ import annotations

import logging
import random

from tests.fuzz import slices
from tests.fuzz.slices import Found, Slice
from tests.fuzz.targets import TARGETS

_SLICE = 50_000


def planned(names: list[str], inputs: int, seed: int) -> list[Slice]:
    """Slices of all targets by their shares, mixed, so that a run cut short has tried them all."""
    whole = sum(TARGETS[name].share for name in names)
    parts = []
    for name in names:
        rest, number = round(inputs * TARGETS[name].share / whole), 0
        size = _SLICE if TARGETS[name].share > 0.02 else 2_500
        while rest > 0:
            parts.append(Slice(name, seed, number, min(rest, size)))
            rest, number = rest - size, number + 1
    random.Random(seed).shuffle(parts)  # inputs, not secrets
    return parts


def run_slice(part: Slice) -> Found:
    """In a process of its own; the code under test logs what it was sent."""
    logging.disable(logging.CRITICAL)
    return slices.run(TARGETS[part.target], part)
