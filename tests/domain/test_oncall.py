"""Who is on call: turns by the clocks of the place, stand-ins, the one behind."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.oncall import OnCall, OnDuty, Rota, StandIn, on_duty

STOCKHOLM = ZoneInfo("Europe/Stockholm")
FIELD = Rota(
    rota_id="field", contacts=("eva", "nils", "sara"), first=date(2026, 3, 23), timezone="Europe/Stockholm"
)  # a Monday; clocks go forward on the 29th


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=STOCKHOLM)  # type: ignore[misc]  # year, month, day, hour...


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (local(2026, 3, 23, 8), ("eva", "nils")),
        (local(2026, 3, 23, 7, 59), ("sara", "eva")),  # before the first turn, counted backwards
        (local(2026, 3, 30, 7, 59, 59), ("eva", "nils")),  # after the clocks went forward, still at eight
        (local(2026, 3, 30, 8), ("nils", "sara")),
        (local(2026, 4, 13, 7, 59), ("sara", "eva")),
        (local(2026, 4, 13, 8), ("eva", "nils")),
        (local(2026, 10, 26, 8), ("nils", "sara")),  # and after they went back
    ],
)
def test_turns_begin_at_the_hour_of_the_place(at: datetime, expected: tuple[str, str]) -> None:
    assert on_duty(FIELD, at.astimezone(UTC)) == expected


def test_a_stand_in_takes_the_call_and_is_not_its_own_backup() -> None:
    easter = StandIn(begin=local(2026, 4, 3, 0), end=local(2026, 4, 5, 0), contact="sara")
    rota = Rota(rota_id="r", contacts=FIELD.contacts, first=FIELD.first, stand_ins=(easter,))
    assert on_duty(rota, easter.begin) == ("sara", "eva")
    assert on_duty(rota, easter.begin - timedelta(seconds=1)) == ("nils", "sara")
    assert on_duty(rota, easter.end) == ("nils", "sara")


def test_one_alone_has_nobody_behind() -> None:
    alone = Rota(rota_id="r", contacts=("eva",), first=FIELD.first, hand_over=time(0), turn_days=1)
    assert on_duty(alone, local(2026, 4, 1, 12)) == OnDuty("eva", None)


def test_a_rota_that_does_not_exist_has_nobody() -> None:
    assert OnCall(rotas=(FIELD,)).on_duty("other", local(2026, 4, 1, 12)) is None
    assert OnCall().contact("eva") is None


@given(
    st.integers(0, 10**9).map(lambda seconds: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=5 * seconds)),
    st.integers(1, 5),
    st.integers(1, 30),
    st.sampled_from(["UTC", "Europe/Stockholm", "Pacific/Auckland", "America/St_Johns"]),
)
def test_at_any_moment_somebody_of_the_rota_is_on_call(at: datetime, count: int, days: int, zone: str) -> None:
    names = tuple(f"c{number}" for number in range(count))
    rota = Rota(rota_id="r", contacts=names, first=date(2026, 11, 2), turn_days=days, timezone=zone)
    found = on_duty(rota, at)
    assert found.first in names
    assert found.backup in (*names, None)
    assert found.backup != found.first
    assert (found.backup is None) == (count == 1)
