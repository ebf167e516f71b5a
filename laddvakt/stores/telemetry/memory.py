"""Telemetry in memory, for tests and replay. Passes the same contract tests as the others."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from laddvakt.stores.ports import Point, Sample
from laddvakt.stores.telemetry.values import checked, microseconds, moment

_Series = tuple[str, str, str, int]  # station, source, field, connector


class MemoryTelemetry:
    """Every value in a dictionary per series; see ports.Telemetry."""

    def __init__(self) -> None:
        self._series: dict[_Series, dict[int, float]] = {}
        self._lock = threading.Lock()

    def write(self, points: Iterable[Point]) -> None:
        accepted = list(checked(points))
        with self._lock:
            for point in accepted:
                at_us = microseconds(point.at)
                for field, value in point.values.items():
                    series = (point.station_id, point.source, field, point.connector_id)
                    self._series.setdefault(series, {})[at_us] = float(value)

    def read(
        self,
        *,
        station_id: str,
        connector_id: int | None,
        fields: Sequence[str],
        from_: datetime,
        to: datetime,
        source: str = "ocpp",
        limit: int = 100_000,
    ) -> dict[str, list[Sample]]:
        start, stop = microseconds(from_), microseconds(to)
        found: dict[str, list[tuple[int, int, float]]] = {field: [] for field in fields}
        with self._lock:
            for (station, kind, field, connector), values in self._series.items():
                if station != station_id or kind != source or field not in found:
                    continue
                if connector_id is not None and connector != connector_id:
                    continue
                found[field] += [(at, connector, value) for at, value in values.items() if start <= at < stop]
        return {
            field: [Sample(at=moment(at), value=value) for at, _, value in sorted(rows)[:limit]]
            for field, rows in found.items()
        }

    def fields(self, *, station_id: str, from_: datetime, to: datetime) -> set[str]:
        start, stop = microseconds(from_), microseconds(to)
        with self._lock:
            return {
                field
                for (station, _, field, _), values in self._series.items()
                if station == station_id and any(start <= at < stop for at in values)
            }

    def expire(self, before: date) -> None:
        with self._lock:
            for series, values in list(self._series.items()):
                kept = {at: value for at, value in values.items() if moment(at).date() >= before}
                self._series[series] = kept

    def close(self) -> None:
        """Nothing to let go of."""
