"""What a session costs: exact arithmetic on whole numbers, rounded once per line as an invoice is.

- The net amount of a line is rounded half up to the currency's smallest unit; VAT is that of the sum of the
  rounded net amounts of its rate, rounded likewise (EN 16931 BR-CO-17), so an invoice adds up to the cent.
- `step_size` rounds the total of a dimension up once, when the session has ended (OCPI 2.2.1 section 10.3.1, CDR
  object, step_size; section 11.4.2: the smallest multiple of step_size that is not below the amount).
- `min_price` and `max_price` bound the cost excluding and including VAT, each for itself (section 11.3.1).
OCPI leaves rounding of money to the parties.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil

from laddvakt.billing.charge import Charge
from laddvakt.billing.components import COMPONENTS
from laddvakt.billing.currencies import minor_units
from laddvakt.billing.tariff import PriceComponent, Tariff
from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Cost, CostLine

_QUANTITY_PLACES = 6  # a second is 0.000278 h; the amount itself is worked out from the exact quantity


def price(tariff: Tariff, charge: Charge) -> Cost:
    """The cost of a session so far (`charge.final` false) or for good. Never negative, and never less than for a
    smaller charge under the same tariff."""
    amounts = {
        component.dimension: COMPONENTS[component.dimension].amount(charge) for component in tariff.components
    }
    return price_amounts(tariff, amounts, final=charge.final)


def price_amounts(tariff: Tariff, amounts: Mapping[str, int | Fraction], *, final: bool) -> Cost:
    """As `price`, from amounts by dimension in smallest units (Wh, s, 1). A dimension without an amount costs
    nothing."""
    places = minor_units(tariff.currency)
    billed = [(item, _billed(item, amounts.get(item.dimension, 0), final)) for item in tariff.components]
    used = [(item, amount) for item, amount in billed if amount > 0]
    net = [_times(amount, item.price, places, COMPONENTS[item.dimension].per_unit) for item, amount in used]
    vat = _vat(net, [item.vat_pct for item, _ in used])
    lines = [
        CostLine(
            component=item.dimension,
            quantity=_quantity(amount, COMPONENTS[item.dimension].per_unit),
            unit=COMPONENTS[item.dimension].unit,
            price=item.price,
            vat_pct=item.vat_pct,
            excl_vat=_decimal(line_net, places),
            vat=_decimal(line_vat, places),
        )
        for (item, amount), line_net, line_vat in zip(used, net, vat, strict=True)
    ]
    return _total(tariff, lines, sum(net), sum(net) + sum(vat), places)


def _billed(item: PriceComponent, amount: int | Fraction, final: bool) -> int | Fraction:
    """The amount to bill, in smallest units."""
    if final and COMPONENTS[item.dimension].stepped:
        return ceil(Fraction(amount, item.step_size)) * item.step_size
    return amount


def _vat(net: list[int], rates: list[Decimal | None]) -> list[int]:
    """VAT of each line in minor units. The rounding of a rate's total is spread over its lines, in order."""
    sums: dict[Decimal, int] = {}
    vat = []
    for line_net, rate in zip(net, rates, strict=True):
        pct = rate or Decimal(0)
        before = sums.get(pct, 0)
        sums[pct] = before + line_net
        vat.append(_times(sums[pct], pct, 0, 100) - _times(before, pct, 0, 100))
    return vat


def _total(tariff: Tariff, lines: list[CostLine], excl: int, incl: int, places: int) -> Cost:
    for label, limit, bound in (("MIN_PRICE", tariff.min_price, max), ("MAX_PRICE", tariff.max_price, min)):
        if limit is None:
            continue
        bounded_excl = bound(excl, _minor(limit.excl_vat, places))
        bounded_incl = bound(incl, _minor(limit.incl_vat, places))
        if (bounded_excl, bounded_incl) != (excl, incl):
            lines = [*lines, _adjustment(label, bounded_excl - excl, bounded_incl - incl, places)]
        excl, incl = bounded_excl, bounded_incl

    def money(minor: int) -> Money:
        return Money(amount=_decimal(minor, places), currency=tariff.currency)

    return Cost(excl_vat=money(excl), vat=money(incl - excl), incl_vat=money(incl), lines=tuple(lines))


def _adjustment(label: str, excl: int, incl: int, places: int) -> CostLine:
    """The line that takes the sum of the others to the limit; negative for a maximum."""
    return CostLine(
        component=label,
        quantity=Decimal(1),
        unit="session",
        price=_decimal(excl, places),
        vat_pct=None,
        excl_vat=_decimal(excl, places),
        vat=_decimal(incl - excl, places),
    )


def _minor(amount: Decimal, places: int) -> int:
    return _times(1, amount, places, 1)


def _quantity(amount: int | Fraction, per_unit: int) -> Decimal:
    minor = _half_up(amount.numerator * 10**_QUANTITY_PLACES, amount.denominator * per_unit)
    return _decimal(minor, _QUANTITY_PLACES).normalize() + 0


def _times(amount: int | Fraction, price: Decimal, places: int, per_unit: int) -> int:
    """`amount * price / per_unit` to so many places. Whole numbers over one denominator: every session is priced
    at each of its readings, and Fraction would look for a common divisor at each step."""
    numerator, denominator = price.as_integer_ratio()
    return _half_up(amount.numerator * numerator * 10**places, amount.denominator * denominator * per_unit)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _decimal(minor: int, places: int) -> Decimal:
    return Decimal(minor).scaleb(-places)
