"""The stations that are watched: what is known of each, which changed, and when each is to be looked at. Pure."""

from __future__ import annotations

from collections.abc import Callable

from detector.state import StationState
from detector.timers import Timers
from detector.view import StationView


class Fleet:
    """States by station, and by site under its key. `partition_of`: of the log, by key."""

    def __init__(self, partition_of: Callable[[str], int]) -> None:
        self.states: dict[str, StationState] = {}
        self.timers = Timers()
        self._partition_of = partition_of
        self._touched: set[str] = set()

    def begin(self, key: str) -> StationState:
        """A station, or a site, that was not heard of before."""
        return self.take_in(key, StationState(view=StationView(station_id=key)))

    def take_in(self, key: str, state: StationState) -> StationState:
        state.partition = self._partition_of(key)
        self.states[key] = state
        return state

    def schedule(self, state: StationState) -> None:
        """It is to be looked at when one of its rules asked for that."""
        if state.check_at is not None:
            self.timers.put(state.partition, state.view.station_id, state.check_at)

    def touch(self, state: StationState) -> None:
        """It changed, so it is to be stored."""
        self._touched.add(state.view.station_id)

    def take_touched(self) -> set[str]:
        """Those that changed since this was last asked."""
        touched, self._touched = self._touched, set()
        return touched
