"""How often somebody may try to sign in: a few free tries, then waits that double. Bounded memory, pure."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import NamedTuple


class _Tries(NamedTuple):
    made: int
    last_at: datetime


class Attempts:
    """Counts tries per key (a name, an address). A try counts from its beginning, so that many at once cannot
    slip through together; one that succeeds is taken back."""

    def __init__(
        self,
        *,
        free: int,
        first_wait: timedelta = timedelta(seconds=10),
        longest_wait: timedelta = timedelta(minutes=5),
        forget_after: timedelta = timedelta(minutes=15),
        max_keys: int = 10_000,
    ) -> None:
        self._free = free
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._forget_after = forget_after
        self._max_keys = max_keys
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def begin(self, key: str, now: datetime) -> timedelta:
        """Zero: the try may be made, and is counted. More: how long to wait; nothing is counted."""
        tries = self._tries.get(key)
        if tries is None or now - tries.last_at >= self._forget_after:
            tries = _Tries(0, now)
        wait = self._wait(tries, now)
        if wait > timedelta(0):
            return wait
        self._tries[key] = _Tries(tries.made + 1, now)
        self._tries.move_to_end(key)
        while len(self._tries) > self._max_keys:
            self._tries.popitem(last=False)
        return timedelta(0)

    def take_back(self, key: str) -> None:
        """A try of this key was good: it does not count."""
        tries = self._tries.get(key)
        if tries is None:
            return
        if tries.made <= 1:
            del self._tries[key]
            return
        self._tries[key] = tries._replace(made=tries.made - 1)

    def forget(self, key: str) -> None:
        """All former tries of this key are forgiven."""
        self._tries.pop(key, None)

    def __len__(self) -> int:
        return len(self._tries)

    def _wait(self, tries: _Tries, now: datetime) -> timedelta:
        if tries.made < self._free:
            return timedelta(0)
        doublings: int = min(tries.made - self._free, 20)
        wait = min(self._first_wait * (1 << doublings), self._longest_wait)
        return max(tries.last_at + wait - now, timedelta(0))
