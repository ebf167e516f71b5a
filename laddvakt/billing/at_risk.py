"""Revenue at risk: what a fault is expected to cost before it is mended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from laddvakt.billing.currencies import minor_units
from laddvakt.domain.money import Money, round_money

PAST = timedelta(days=28)
"""The part of the asset's own past that says what to expect: four weeks, so that each weekday counts alike."""

_SHORTEST = timedelta(days=1)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions of one currency (None: they have no price) in a stretch of time."""

    currency: str | None
    sessions: int
    excl_vat: Decimal
    first_at: datetime | None  # start of the earliest


def revenue_at_risk(
    usage: Iterable[Usage], *, until: datetime, hours: float, probability: float, margin: float
) -> Money | None:
    """Expected sessions x margin x hours x probability, without VAT. `usage` is the asset's own in the PAST before
    `until`, when the fault began; an asset that is younger counts from its first session, a day at least. `hours`
    is how long it lasts; `margin` (0..1) the part of the revenue that is lost with the session. None where no
    session had a price. Of several currencies it is the one with most sessions."""
    rows = list(usage)
    priced: dict[str, tuple[int, Decimal]] = {}
    for row in rows:
        if row.currency is not None:
            count, total = priced.get(row.currency, (0, Decimal(0)))
            priced[row.currency] = count + row.sessions, total + row.excl_vat
    if not priced:
        return None
    currency = max(sorted(priced), key=lambda name: priced[name][0])
    count, total = priced[currency]
    first = min(row.first_at for row in rows if row.first_at is not None)
    known_h = max(_SHORTEST, min(PAST, until - first)) / timedelta(hours=1)
    expected = sum(row.sessions for row in rows) / known_h * hours
    amount = total / count * Decimal(expected * margin * probability)
    return Money(amount=round_money(amount, minor_units(currency)), currency=currency)
