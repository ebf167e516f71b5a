"""How often Python looks for garbage in our processes."""

from __future__ import annotations

import gc

_THRESHOLDS = (50_000, 20, 20)


def collect_rarely() -> None:
    """Hardly anything here is garbage that only the cyclic collector finds. A connection is some hundred objects
    that live for days, a group of entries tens of thousands without a cycle: with Python's own thresholds a fleet
    that comes back at once spends a third of its time looking through objects that are all in use. Values that
    cannot be part of a cycle (`gc=False`) it does not follow at all."""
    gc.collect()
    gc.freeze()  # what was imported is never looked through again
    gc.set_threshold(*_THRESHOLDS)
