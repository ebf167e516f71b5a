"""Pricing: OCPI tariffs. Pure."""

from laddvakt.billing.assignment import choose
from laddvakt.billing.cdr import price_cdr
from laddvakt.billing.charge import Charge
from laddvakt.billing.pricing import price
from laddvakt.billing.tariff import Tariff, parse_tariff

__all__ = ["Charge", "Tariff", "choose", "parse_tariff", "price", "price_cdr"]
