"""Revenue at risk: expected sessions x margin x hours x probability."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from laddvakt.billing.at_risk import PAST, Usage, revenue_at_risk
from laddvakt.domain.money import Money

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def usage(sessions: int, total: str, currency: str | None = "SEK", *, days: float = 28) -> Usage:
    first = NOON - timedelta(days=days) if sessions else None
    return Usage(currency=currency, sessions=sessions, excl_vat=Decimal(total), first_at=first)


def risk(*rows: Usage, hours: float = 24, probability: float = 1.0, margin: float = 1.0) -> Money | None:
    return revenue_at_risk(rows, until=NOON, hours=hours, probability=probability, margin=margin)


def test_it_is_what_the_asset_earns_in_that_time() -> None:
    # 56 sessions of 100 SEK in 28 days are two a day.
    assert risk(usage(56, "5600")) == Money(amount=Decimal("200.00"), currency="SEK")
    assert risk(usage(56, "5600"), hours=12, probability=0.5, margin=0.4) == Money(
        amount=Decimal("20.00"), currency="SEK"
    )


def test_a_young_asset_counts_from_its_first_session_and_a_day_at_least() -> None:
    assert risk(usage(6, "600", days=3)) == Money(amount=Decimal("200.00"), currency="SEK")
    assert risk(usage(2, "200", days=0.1)) == Money(amount=Decimal("200.00"), currency="SEK")


def test_without_prices_nothing_is_said() -> None:
    assert risk() is None
    assert risk(usage(56, "0", None)) is None


def test_currencies_are_not_added_and_the_one_with_most_sessions_stands_for_all() -> None:
    found = risk(usage(42, "4200"), usage(14, "140", "EUR"))
    assert found == Money(amount=Decimal("200.00"), currency="SEK")
    assert risk(usage(28, "28000", "JPY")) == Money(amount=Decimal(1000), currency="JPY")


@given(st.integers(1, 10_000), st.integers(0, 10**7), st.floats(0, 1), st.floats(0, 1), st.floats(0, 5000))
def test_it_is_never_negative_and_grows_with_the_hours(
    sessions: int, cents: int, probability: float, margin: float, hours: float
) -> None:
    row = usage(sessions, str(Decimal(cents) / 100), days=PAST.days)
    less = risk(row, hours=hours / 2, probability=probability, margin=margin)
    more = risk(row, hours=hours, probability=probability, margin=margin)
    assert less is not None
    assert more is not None
    assert 0 <= less.amount <= more.amount
