"""Numbers, amounts and times as people read them: units always there, thousands apart, the zone said."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from laddvakt.domain.money import Money, round_money

THIN = "\u202f"  # narrow no-break space, between thousands
UNIT = "\u00a0"  # no-break space, before units
NONE = "–"  # nothing known


def number(value: float | Decimal, places: int = 0) -> str:
    """`12 345.6`: thousands apart by a narrow space, `places` decimals."""
    return f"{value:,.{places}f}".replace(",", THIN)


def kilo(value: float | None, places: int = 1) -> str:
    """W or Wh in thousands, without the unit: `43.1`."""
    return NONE if value is None else number(value / 1000, places)


def power(power_w: float | None) -> str:
    return NONE if power_w is None else f"{kilo(power_w)}{UNIT}kW"


def energy(energy_wh: float | None) -> str:
    if energy_wh is None:
        return NONE
    places = 2 if abs(energy_wh) < 10_000 else 1 if abs(energy_wh) < 1_000_000 else 0
    return f"{kilo(energy_wh, places)}{UNIT}kWh"


def percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.0f}{UNIT}%"


def amount(value: Decimal) -> str:
    return number(round_money(value), 2)


def money(value: Money | None) -> str:
    """`1 234.50 SEK`, to the smallest usual unit."""
    return NONE if value is None else f"{amount(value.amount)}{UNIT}{value.currency}"


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `1 h 05 min`, `3 d 4 h`: two units at most."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}{UNIT}s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes}{UNIT}min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}{UNIT}h {minutes:02d}{UNIT}min"
    days, hours = divmod(hours, 24)
    return f"{days}{UNIT}d {hours}{UNIT}h"


def local(at: datetime | None, zone: ZoneInfo) -> str:
    """`2026-11-21 10:31`, local; sorts as text. The zone is said beside it, once per table."""
    return "" if at is None else at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def local_seconds(at: datetime | None, zone: ZoneInfo) -> str:
    """`2026-11-21 10:31:05 CET`, for single times."""
    return "" if at is None else at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def clock_time(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`10:31` today, `20 Nov 10:31` on another day."""
    here, today = at.astimezone(zone), now.astimezone(zone)
    if here.date() == today.date():
        return here.strftime("%H:%M")
    return here.strftime("%-d %b %H:%M")


def day_start(now: datetime, zone: ZoneInfo) -> datetime:
    """Local midnight of `now`'s day."""
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def days_before(start: datetime, days: int, zone: ZoneInfo) -> datetime:
    """Local midnight `days` days earlier; right also across a change of summer time."""
    earlier = start.astimezone(zone).date() - timedelta(days=days)
    return datetime(earlier.year, earlier.month, earlier.day, tzinfo=zone)


def next_midnight(now: datetime, zone: ZoneInfo) -> datetime:
    """When the local day after `now` begins."""
    return days_before(now, -1, zone)
