"""Revenue: exact sums, by calendar periods of a time zone, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.stores.ports import RevenueRow
from laddvakt.stores.sql import SqlRecords
from tests.support.records import NOON, cost, ended, session


def save(records: SqlRecords, *sessions: Session) -> None:
    with records.begin() as work:
        work.sessions.save(sessions)


def revenue(records: SqlRecords, **given: Any) -> list[RevenueRow]:
    asked: dict[str, Any] = {"group_by": "station", "interval": None, "from_": None, "to": None, "timezone": "UTC"}
    with records.read() as work:
        return work.sessions.revenue(**(asked | given))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_revenue_without_sessions_is_empty(records: SqlRecords) -> None:
    save(records, session())
    assert revenue(records) == []
    assert revenue(records, interval="day") == []


def test_revenue_sums_exactly_and_holds_suspects(records: SqlRecords) -> None:
    save(
        records,
        ended("S-1", NOON, "0.1001", "0.02"),
        ended("S-2", NOON, "0.2002", "0.04"),
        ended("S-3", NOON, "1000000", "250000", quality=Quality.SUSPECT, energy_wh=9),
        ended("S-4", NOON, "5", "0", station_id="SE-2", quality=Quality.ESTIMATED),
        session("S-5", cost=cost("99")),
    )
    assert revenue(records) == [
        RevenueRow(
            key="SE-1",
            period="",
            sessions=2,
            energy_wh=2000,
            excl_vat=Decimal("0.3003"),
            incl_vat=Decimal("0.3603"),
            currency="SEK",
            paid=Decimal(0),
            outstanding=Decimal("0.3603"),
            held_sessions=1,
            held_incl_vat=Decimal(1_250_000),
        ),
        RevenueRow(
            key="SE-2",
            period="",
            sessions=1,
            energy_wh=1000,
            excl_vat=Decimal(5),
            incl_vat=Decimal(5),
            currency="SEK",
            outstanding=Decimal(5),
        ),
    ]


@pytest.mark.parametrize(
    ("group_by", "keys"),
    [
        ("site", ["", "depot"]),
        ("station", ["SE-1", "SE-2"]),
        ("cable", ["", "cable-9"]),
        ("connector", ["SE-1/1", "SE-2/3"]),
        ("tariff", ["", "day"]),
        ("driver", ["", "anna"]),
    ],
)
def test_revenue_groups_by_anything(records: SqlRecords, group_by: str, keys: list[str]) -> None:
    elsewhere: dict[str, Any] = {
        "station_id": "SE-2",
        "connector_id": 3,
        "site_id": "depot",
        "cable_id": "cable-9",
    }
    save(records, ended("S-1", NOON), ended("S-2", NOON, **elsewhere, tariff_id="day", driver_id="anna"))
    assert [row.key for row in revenue(records, group_by=group_by)] == keys
    assert [row.key for row in revenue(records, group_by=group_by, interval="day")] == keys


def test_revenue_takes_ends_within_a_half_open_range(records: SqlRecords) -> None:
    save(records, *(ended(f"S-{n}", NOON + timedelta(hours=n)) for n in range(4)))
    for interval in (None, "hour", "day", "month"):
        rows = revenue(records, interval=interval, from_=NOON + timedelta(hours=1), to=NOON + timedelta(hours=3))
        assert sum(row.sessions for row in rows) == 2


def test_revenue_days_begin_at_local_midnight_over_both_changes_of_the_clock(records: SqlRecords) -> None:
    ends = {
        "2026-03-28T22:59:59.999999": "2026-03-28",
        "2026-03-28T23:00:00": "2026-03-29",  # a day of 23 hours
        "2026-03-29T21:59:59.999999": "2026-03-29",
        "2026-03-29T22:00:00": "2026-03-30",
        "2026-10-24T22:00:00": "2026-10-25",  # a day of 25 hours
        "2026-10-25T22:59:59.999999": "2026-10-25",
        "2026-10-25T23:00:00": "2026-10-26",
    }
    save(records, *(ended(f"S-{n}", at(text)) for n, text in enumerate(ends)))
    rows = revenue(records, interval="day", timezone="Europe/Stockholm")
    assert {row.period: row.sessions for row in rows} == {
        day: list(ends.values()).count(day) for day in sorted(set(ends.values()))
    }


def test_revenue_hours_when_the_clock_repeats_one(records: SqlRecords) -> None:
    first, second = at("2026-10-25T00:30:00"), at("2026-10-25T01:30:00")  # both 02:30 in Stockholm
    save(records, ended("S-1", first), ended("S-2", second), ended("S-3", at("2026-10-25T02:00:00")))
    rows = revenue(records, interval="hour", timezone="Europe/Stockholm")
    assert [(row.period, row.sessions) for row in rows] == [("2026-10-25T02", 2), ("2026-10-25T03", 1)]


def test_revenue_months(records: SqlRecords) -> None:
    texts = ("2025-12-31T22:59:59", "2025-12-31T23:00:00", "2026-02-01T00:00:00")
    save(records, *(ended(f"S-{n}", at(text)) for n, text in enumerate(texts)))
    rows = revenue(records, interval="month", timezone="Europe/Stockholm")
    assert [(row.period, row.sessions) for row in rows] == [("2025-12", 1), ("2026-01", 1), ("2026-02", 1)]


def test_revenue_over_more_periods_than_one_query_takes(records: SqlRecords) -> None:
    save(records, *(ended(f"S-{n}", NOON + timedelta(hours=40 * n)) for n in range(30)))
    rows = revenue(records, interval="hour", timezone="Asia/Kathmandu")
    assert [row.sessions for row in rows] == [1] * 30
    assert rows[0].period == "2026-11-21T17"  # UTC+05:45


def test_revenue_keeps_currencies_apart_and_sessions_without_cost_with_them(records: SqlRecords) -> None:
    save(
        records,
        ended("S-1", NOON, cost=cost("1", "0.25", currency="SEK")),
        ended("S-2", NOON, cost=cost("2", currency="DKK")),
        ended("S-3", NOON, cost=None),
        ended("S-4", NOON, cost=None, station_id="SE-2"),
    )
    rows = revenue(records)
    assert [(row.key, row.currency, row.sessions, row.incl_vat) for row in rows] == [
        ("SE-1", "DKK", 2, Decimal(2)),
        ("SE-1", "SEK", 1, Decimal("1.25")),
        ("SE-2", "EUR", 1, Decimal(0)),
    ]


def test_revenue_refuses_what_it_does_not_know(records: SqlRecords) -> None:
    save(records, ended("S-1", NOON))
    for wrong in (
        {"group_by": "colour"},
        {"interval": "week"},
        {"timezone": "Europe/Nowhere"},
        {"timezone": "../x"},
    ):
        with pytest.raises(ValueError, match="is not"):
            revenue(records, **wrong)


def totals(records: SqlRecords) -> RevenueRow:
    with records.read() as work:
        return work.sessions.totals(from_=NOON, to=NOON + timedelta(hours=1))


def test_totals_count_ended_in_range_and_unended_so_far(records: SqlRecords) -> None:
    assert totals(records).sessions == 0
    assert totals(records).currency == "EUR"
    running = session("S-5", energy_wh=500, cost=cost("1", "0.25"), started_at=NOON - timedelta(days=3))
    save(
        records,
        ended("S-1", NOON),
        ended("S-2", NOON + timedelta(hours=1)),
        ended("S-3", NOON - timedelta(microseconds=1)),
        ended("S-4", NOON, quality=Quality.SUSPECT),
        running,
        msgspec.structs.replace(running, session_id="S-6", state=SessionState.SUSPENDED, cost=None),
    )
    row = totals(records)
    assert (row.sessions, row.energy_wh, row.incl_vat, row.currency) == (3, 2000, Decimal("13.75"), "SEK")
    assert (row.held_sessions, row.held_incl_vat, row.outstanding) == (1, Decimal("12.50"), Decimal("13.75"))


def test_totals_of_several_currencies_never_add_them(records: SqlRecords) -> None:
    many = [ended(f"S-{n}", NOON, cost=cost("1", currency="SEK")) for n in range(3)]
    save(records, *many, ended("S-9", NOON, cost=cost("2", currency="DKK")))
    row = totals(records)
    assert (row.currency, row.incl_vat, row.sessions) == ("SEK", Decimal(3), 4)
    save(records, ended("S-10", NOON, cost=cost("7", currency="EUR")))
    row = totals(records)
    assert (row.currency, row.incl_vat, row.sessions) == ("EUR", Decimal(7), 5)
