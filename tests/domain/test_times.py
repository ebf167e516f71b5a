"""Times: aware UTC inside, lenient where stations are odd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.times import MAX_CLOCK_SKEW, effective_time, parse_time, require_utc, rfc3339

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_naive_time_does_not_enter() -> None:
    with pytest.raises(ValueError, match="naive"):
        require_utc(datetime(2026, 11, 21))  # noqa: DTZ001  # the point


def test_another_zone_becomes_utc() -> None:
    assert require_utc(datetime(2026, 11, 21, 13, tzinfo=timezone(timedelta(hours=1)))) == NOON


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00.000Z",
        "2026-11-21T13:00:00+01:00",
        "2026-11-21T12:00:00",
        " 2026-11-21T12:00Z ",
    ],
)
def test_spellings_of_stations_are_read(text: str) -> None:
    assert parse_time(text) == NOON


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:00"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text) is None


@given(st.text(max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    parsed = parse_time(text)
    assert parsed is None or parsed.utcoffset() == timedelta(0)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_back_to_the_millisecond(value: datetime) -> None:
    back = parse_time(rfc3339(value))
    assert back is not None
    assert timedelta(0) <= value - back < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, NOON),
        (datetime(1970, 1, 1, tzinfo=UTC), NOON),
        (NOON + MAX_CLOCK_SKEW + timedelta(seconds=1), NOON),
        (NOON + MAX_CLOCK_SKEW, NOON + MAX_CLOCK_SKEW),
        (NOON - timedelta(days=90), NOON - timedelta(days=90)),
    ],
)
def test_the_stations_clock_counts_while_it_is_plausible(said: datetime | None, expected: datetime) -> None:
    assert effective_time(said, NOON) == expected
