"""What the price of one dimension is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from laddvakt.billing.charge import Charge


@dataclass(frozen=True, kw_only=True)
class Component:
    """One OCPI TariffDimensionType (OCPI 2.2.1 section 11.4.5).

    Amounts are counted in the dimension's smallest unit, the one that `step_size` multiplies; prices are per
    `unit`, which has `per_unit` of them.
    """

    dimension: str
    unit: str  # of the price and of a cost line's quantity
    per_unit: int  # smallest units in one `unit`
    stepped: bool  # whether `step_size` applies
    amount: Callable[[Charge], int]  # in smallest units, not negative
