"""How often Python looks for garbage in our processes."""

from __future__ import annotations

import gc

_THRESHOLDS = (10_000, 5, 2)


def collect_rarely() -> None:
    """Hardly anything here is garbage that only the cyclic collector finds. A connection is some hundred objects
    that live for days, a group of entries tens of thousands without a cycle: with Python's own thresholds a fleet
    that comes back at once spends a third of its time looking through objects that are all in use. Values that
    cannot be part of a cycle (`gc=False`) it does not follow at all.

    Rarely is not never: a connection that ends leaves some dozen objects in a cycle. At most 100,000 objects, some
    12 MB, wait to be looked at."""
    gc.collect()
    gc.freeze()  # what was imported is never looked through again
    gc.set_threshold(*_THRESHOLDS)
