"""How often Python looks for garbage in a process that holds thousands of connections."""

from __future__ import annotations

import gc

_THRESHOLDS = (20_000, 20, 20)


def collect_rarely() -> None:
    """A connection is some hundred objects that live for days, and hardly anything here is garbage that only the
    cyclic collector finds. With Python's own thresholds a fleet that comes back at once spends a third of its time
    looking through objects that are all in use."""
    gc.collect()
    gc.freeze()  # what was imported is never looked through again
    gc.set_threshold(*_THRESHOLDS)
