"""Calendar periods as stretches of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.stores.sql.periods import periods

ZONES = st.sampled_from(
    ["Europe/Stockholm", "UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Cairo",
     "America/Havana", "Atlantic/Azores", "Pacific/Apia", "America/Santiago", "Asia/Beirut"]
)  # fmt: skip
TIMES = st.datetimes(min_value=datetime(2011, 12, 1), max_value=datetime(2035, 1, 1)).map(  # noqa: DTZ001 - made UTC
    lambda at: at.replace(tzinfo=UTC)
)
LABELS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}


@given(zone=ZONES, start=TIMES, hours=st.integers(1, 1500), interval=st.sampled_from(sorted(LABELS)))
def test_periods_cover_the_range_without_gaps_and_each_instant_is_labelled_as_the_clock_says(
    zone: str, start: datetime, hours: int, interval: str
) -> None:
    stop = start + timedelta(hours=hours)
    found = list(periods(interval, start, stop, ZoneInfo(zone)))
    assert found[0].start == start
    assert found[-1].stop == stop
    assert all(one.stop == other.start for one, other in pairwise(found))
    for label, first, end in found:
        for instant in (first, first + (end - first) / 2, end - timedelta(microseconds=1)):
            assert instant.astimezone(ZoneInfo(zone)).strftime(LABELS[interval]) == label


def test_periods_of_a_day_that_a_country_skipped() -> None:
    start = datetime(2011, 12, 29, 12, tzinfo=UTC)
    found = periods("day", start, start + timedelta(days=2), ZoneInfo("Pacific/Apia"))
    assert [period.label for period in found] == ["2011-12-29", "2011-12-31", "2012-01-01"]


def test_periods_of_an_unknown_interval_says_so() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="week"):
        list(periods("week", start, start + timedelta(days=1), ZoneInfo("UTC")))


def test_periods_of_an_empty_range_are_none() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert list(periods("day", start, start, ZoneInfo("UTC"))) == []
