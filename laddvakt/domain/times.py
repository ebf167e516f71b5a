"""Times: aware UTC only, RFC 3339 on the wire. Nothing here reads a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MAX_CLOCK_SKEW = timedelta(minutes=10)
"""A station time this far ahead of ours is implausible and falls back to the time of receipt."""

EARLIEST_PLAUSIBLE = datetime(2015, 1, 1, tzinfo=UTC)
"""Before OCPP 1.6 existed; a station that says so has not set its clock."""


def require_utc(value: datetime) -> datetime:
    """`value` in UTC. Raises ValueError for a naive time: it must not enter."""
    if value.tzinfo is None:
        raise ValueError(f"naive time {value.isoformat()}: a time zone is required")
    return value.astimezone(UTC)


def parse_time(text: str) -> datetime | None:
    """A station's timestamp in UTC, or None when it cannot be read. A missing zone is read as UTC
    (OCPP 1.6 section 3.14 asks for it; many stations leave it out)."""
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def effective_time(station_at: datetime | None, received_at: datetime) -> datetime:
    """When a thing happened: the station's word, unless its clock is implausible."""
    if station_at is None or station_at < EARLIEST_PLAUSIBLE or station_at > received_at + MAX_CLOCK_SKEW:
        return received_at
    return station_at


def rfc3339(value: datetime) -> str:
    """`2026-11-21T10:00:00.123Z`, milliseconds, UTC."""
    return require_utc(value).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_exact(value: datetime) -> str:
    """The same with microseconds: nothing is rounded away."""
    return require_utc(value).isoformat(timespec="microseconds").replace("+00:00", "Z")
