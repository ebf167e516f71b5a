"""Opening hours as sites have them: `24/7`, or `Mo-Fr 07:00-22:00; Sa 08:00-18:00`, in the site's own time."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from laddvakt.domain.stations import Site
from laddvakt.kpi.spans import Span, common

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_PART = re.compile(r"(?:(Mo|Tu|We|Th|Fr|Sa|Su)(?:-(Mo|Tu|We|Th|Fr|Sa|Su))?\s+)?(\d\d):(\d\d)-(\d\d):(\d\d)")


def open_spans(site: Site | None, period: Span) -> list[Span] | None:
    """When a site is open within the period; None: always, also where the hours are not told or cannot be read (a
    longer time to be up in is the stricter reading)."""
    text = (site.opening_hours or "").strip() if site is not None else ""
    parts = [_PART.fullmatch(part.strip()) for part in text.split(";")]
    if site is None or not text or text == "24/7" or not all(parts):
        return None
    zone = ZoneInfo(site.timezone)
    day = period[0].astimezone(zone).date() - timedelta(days=1)
    found: list[Span] = []
    while day <= period[1].astimezone(zone).date():
        for part in parts:
            if part is not None and _applies(part, day.weekday()):
                start = datetime.combine(day, _time(part[3], part[4]), zone)
                end = datetime.combine(day, _time(part[5], part[6]), zone)
                end = end if end > start else end + timedelta(days=1)  # past midnight
                found.append((start.astimezone(period[0].tzinfo), end.astimezone(period[0].tzinfo)))
        day += timedelta(days=1)
    return common(found, [period])


def _applies(part: re.Match[str], weekday: int) -> bool:
    if part[1] is None:
        return True
    first = _DAYS.index(part[1])
    last = _DAYS.index(part[2]) if part[2] else first
    return first <= weekday <= last if first <= last else weekday >= first or weekday <= last


def _time(hours: str, minutes: str) -> time:
    return time(int(hours) % 24, int(minutes) % 60)
