"""Calendar hours, days and months of a time zone as stretches of UTC, right over changes of the clock. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_LABELS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}


class Period(NamedTuple):
    """[start, stop) in UTC under its local label. An hour that the clock repeats is one period of two hours."""

    label: str
    start: datetime
    stop: datetime


def _next_wall(local: datetime, interval: str) -> datetime:
    """The wall-clock time (naive) at which the next period begins."""
    wall = local.replace(tzinfo=None, minute=0, second=0, microsecond=0, fold=0)
    if interval == "hour":
        return wall + timedelta(hours=1)
    day = wall.replace(hour=0)
    if interval == "day":
        return day + timedelta(days=1)
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _instant(wall: datetime, zone: ZoneInfo, after: datetime) -> datetime:
    """The first instant after `after` at which the zone's clock shows `wall`; for a time that the clock skips,
    the instant of the skip (PEP 495, fold 0)."""
    for fold in (0, 1):
        instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if instant > after:
            return instant
    raise ValueError(f"{wall} does not come after {after} in {zone.key}")


def periods(interval: str, from_: datetime, to: datetime, zone: ZoneInfo) -> Iterator[Period]:
    """The periods that cover [from_, to), the first and last cut to it. Raises ValueError for an interval that
    is not hour, day or month."""
    if interval not in _LABELS:
        raise ValueError(f"interval {interval!r} is not hour, day or month")
    start = from_.astimezone(UTC)
    while start < to:
        local = start.astimezone(zone)
        stop = min(_instant(_next_wall(local, interval), zone, start), to.astimezone(UTC))
        yield Period(local.strftime(_LABELS[interval]), start, stop)
        start = stop
