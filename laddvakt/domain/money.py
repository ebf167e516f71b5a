"""Money: exact decimals with a currency. Never a float."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import msgspec


class Money(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An amount. On the wire `{"amount": "12.34", "currency": "SEK"}`."""

    amount: Decimal
    currency: str  # ISO 4217

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(amount=self.amount + other.amount, currency=self.currency)


def round_money(amount: Decimal, places: int = 2) -> Decimal:
    """Commercial rounding (half up), as invoices use."""
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
