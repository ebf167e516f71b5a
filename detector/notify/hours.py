"""Hours as routes give them: `08:00-17:00`, `Mo-Fr 08:00-17:00`; over midnight too. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def in_force(hours: str | None, at: datetime, zone: ZoneInfo) -> bool:
    """Whether a moment is within these hours on the clocks of `zone`; always, where there are none."""
    return not hours or _begun_on(hours, at.astimezone(zone)) is not None


def end_of(hours: str, at: datetime, zone: ZoneInfo) -> datetime:
    """When the stretch of hours ends that `at` is in; `at` itself outside of them."""
    begun_on = _begun_on(hours, at.astimezone(zone))
    if begun_on is None:
        return at
    begin, end = _times(hours)
    day = begun_on + timedelta(days=int(end <= begin or end == "24:00"))
    hour, minute = (int(part) for part in end.split(":"))
    return datetime.combine(day, time(hour % 24, minute), zone).astimezone(UTC)


def _times(hours: str) -> tuple[str, str]:
    begin, _, end = hours.rpartition(" ")[2].partition("-")
    return begin, end


def _begun_on(hours: str, local: datetime) -> date | None:
    """The day on which the stretch began that `local` is in: for a night, perhaps the day before."""
    begin, end = _times(hours)
    days, clock = hours.rpartition(" ")[0], f"{local.hour:02}:{local.minute:02}"
    today, yesterday = local.date(), local.date() - timedelta(days=1)
    if begin < end:
        return today if begin <= clock < end and _on_day(days, today) else None
    if clock >= begin:
        return today if _on_day(days, today) else None
    return yesterday if clock < end and _on_day(days, yesterday) else None


def _on_day(days: str, day: date) -> bool:
    if not days:
        return True
    first, _, last = days.partition("-")
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    weekday = day.weekday()
    return begin <= weekday <= end if begin <= end else weekday >= begin or weekday <= end
