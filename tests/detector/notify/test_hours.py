"""Hours are the place's own, may cross midnight, and end when the clocks there say so."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from detector.notify.hours import end_of, in_force

STOCKHOLM = ZoneInfo("Europe/Stockholm")


@pytest.mark.parametrize(
    ("hours", "at", "told"),
    [
        ("Mo-Fr 08:00-17:00", datetime(2026, 11, 20, 12, tzinfo=UTC), True),  # a Friday
        ("Mo-Fr 08:00-17:00", datetime(2026, 11, 21, 12, tzinfo=UTC), False),
        ("Sa-Mo 08:00-17:00", datetime(2026, 11, 22, 12, tzinfo=UTC), True),
        ("Sa-Mo 08:00-17:00", datetime(2026, 11, 24, 12, tzinfo=UTC), False),
        ("Fr 22:00-06:00", datetime(2026, 11, 20, 22, tzinfo=UTC), True),
        ("Fr 22:00-06:00", datetime(2026, 11, 21, 3, tzinfo=UTC), True),  # the night of Friday
        ("Fr 22:00-06:00", datetime(2026, 11, 20, 3, tzinfo=UTC), False),
        ("22:00-06:00", datetime(2026, 11, 20, 12, tzinfo=UTC), False),
        ("00:00-24:00", datetime(2026, 11, 20, 22, 59, tzinfo=UTC), True),
        ("08:00-08:00", datetime(2026, 11, 20, 3, tzinfo=UTC), True),  # round the clock
        (None, datetime(2026, 11, 20, 3, tzinfo=UTC), True),
    ],
)
def test_hours_are_the_places_own_and_may_cross_midnight(hours: str | None, at: datetime, told: bool) -> None:
    assert in_force(hours, at, STOCKHOLM) is told


@pytest.mark.parametrize(
    ("hours", "at", "end"),
    [
        ("22:00-06:00", datetime(2026, 11, 20, 22, tzinfo=UTC), datetime(2026, 11, 21, 5, tzinfo=UTC)),
        ("22:00-06:00", datetime(2026, 11, 21, 3, tzinfo=UTC), datetime(2026, 11, 21, 5, tzinfo=UTC)),
        ("08:00-17:00", datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 16, tzinfo=UTC)),
        ("18:00-24:00", datetime(2026, 11, 20, 20, tzinfo=UTC), datetime(2026, 11, 20, 23, tzinfo=UTC)),
        (
            "22:00-06:00",
            datetime(2026, 3, 28, 23, tzinfo=UTC),
            datetime(2026, 3, 29, 4, tzinfo=UTC),
        ),  # summer begins
        ("22:00-06:00", datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC)),
    ],
)
def test_when_hours_end(hours: str, at: datetime, end: datetime) -> None:
    assert end_of(hours, at, STOCKHOLM) == end
