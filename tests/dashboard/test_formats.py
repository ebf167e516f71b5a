"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import formats
from laddvakt.domain.money import Money

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def plain(text: str) -> str:
    return text.replace(formats.THIN, " ").replace(formats.UNIT, " ")


@pytest.mark.parametrize(
    ("energy_wh", "text"),
    [(None, "–"), (0, "0.00 kWh"), (9_345, "9.35 kWh"), (45_120, "45.1 kWh"), (12_345_678, "12 346 kWh")],
)
def test_energy_keeps_the_digits_that_matter(energy_wh: int | None, text: str) -> None:
    assert plain(formats.energy(energy_wh)) == text


def test_money_has_two_decimals_and_its_currency() -> None:
    assert plain(formats.money(Money(amount=Decimal("1234.505"), currency="SEK"))) == "1 234.51 SEK"
    assert formats.money(None) == "–"


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_an_amount_reads_back_as_the_same_number(value: Decimal) -> None:
    assert Decimal(formats.amount(value).replace(formats.THIN, "")) == value


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_900, "1 h 05 min"), (200_000, "2 d 7 h")],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert plain(formats.duration(seconds)) == text


def test_times_are_local_and_say_their_zone() -> None:
    at = datetime(2026, 7, 1, 22, 30, 5, tzinfo=UTC)
    assert formats.local(at, STOCKHOLM) == "2026-07-02 00:30"
    assert formats.local_seconds(at, STOCKHOLM) == "2026-07-02 00:30:05 CEST"
    assert formats.local(None, STOCKHOLM) == ""


def test_another_day_is_named() -> None:
    now = datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert formats.clock_time(now - timedelta(hours=1), now, STOCKHOLM) == "09:00"
    assert formats.clock_time(now - timedelta(days=1), now, STOCKHOLM) == "20 Nov 10:00"


def test_days_begin_at_local_midnight_also_when_the_clocks_change() -> None:
    now = datetime(2026, 10, 25, 12, tzinfo=UTC)  # summer time ended that night
    assert formats.day_start(now, STOCKHOLM).astimezone(UTC) == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert formats.next_midnight(now, STOCKHOLM).astimezone(UTC) == datetime(2026, 10, 25, 23, tzinfo=UTC)
    week = formats.days_before(formats.day_start(now, STOCKHOLM), 6, STOCKHOLM)
    assert week.astimezone(UTC) == datetime(2026, 10, 18, 22, tzinfo=UTC)
