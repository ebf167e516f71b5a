"""Money is exact, and keeps its currency."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.money import Money, round_money

amounts = st.decimals(-(10**9), 10**9, places=2)


@given(amounts, amounts)
def test_sums_are_exact(a: Decimal, b: Decimal) -> None:
    assert (Money(amount=a, currency="SEK") + Money(amount=b, currency="SEK")).amount == a + b


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="cannot add EUR to SEK"):
        Money(amount=Decimal(1), currency="SEK") + Money(amount=Decimal(1), currency="EUR")


@pytest.mark.parametrize(
    ("amount", "places", "expected"),
    [("0.005", 2, "0.01"), ("0.004999", 2, "0.00"), ("2.5", 0, "3"), ("1", 2, "1.00")],
)
def test_rounding_is_half_up(amount: str, places: int, expected: str) -> None:
    assert str(round_money(Decimal(amount), places)) == expected


@given(amounts)
def test_the_wire_keeps_every_digit(amount: Decimal) -> None:
    money = Money(amount=amount, currency="SEK")
    assert msgspec.json.decode(msgspec.json.encode(money), type=Money) == money
