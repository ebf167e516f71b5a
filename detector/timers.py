"""When which station is to be looked at without a message. Pure."""

from __future__ import annotations

import heapq
from datetime import datetime


class Timers:
    """One timer per station, by log partition. A check that is put off keeps its old timer, and whoever finds it
    too early sets the new one: so a busy station does not fill the heap."""

    def __init__(self) -> None:
        self._due: dict[int, list[tuple[datetime, str]]] = {}
        self._set: dict[str, datetime] = {}

    def put(self, partition: int, station_id: str, at: datetime) -> None:
        """Look at the station at `at`; an earlier timer of it stays."""
        known = self._set.get(station_id)
        if known is None or at < known:
            self._set[station_id] = at
            heapq.heappush(self._due.setdefault(partition, []), (at, station_id))

    def pop(self, partition: int, until: datetime) -> tuple[datetime, str] | None:
        """The next timer that falls due up to `until`, which is then over."""
        heap = self._due.get(partition, [])
        while heap and heap[0][0] <= until:
            at, station_id = heapq.heappop(heap)
            if self._set.get(station_id) == at:  # else an earlier one took its place
                del self._set[station_id]
                return at, station_id
        return None

    def partitions(self) -> set[int]:
        return set(self._due)
