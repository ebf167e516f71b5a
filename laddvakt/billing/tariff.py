"""OCPI 2.2.1 tariffs: read and checked once, then frozen.

Source: OCPI 2.2.1 section 11.3.1 (Tariff object), 11.4 (data types) and 16.4, 16.5 (number, Price).
What this version cannot price is refused by name: a wrong price is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from laddvakt.billing.components import COMPONENTS
from laddvakt.billing.json_reader import Reader
from laddvakt.domain.errors import TariffError

_TARIFF_TYPES = ("AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR")

# Fields of a Tariff object that say nothing about the price; kept with the tariff as stored.
_INFORMATION = ("country_code", "party_id", "tariff_alt_text", "tariff_alt_url", "energy_mix", "last_updated")
_TARIFF_FIELDS = {
    *_INFORMATION,
    *("id", "currency", "type", "elements", "min_price", "max_price", "start_date_time", "end_date_time"),
}


class PriceComponent(msgspec.Struct, frozen=True, kw_only=True):
    """The price of one dimension (OCPI 2.2.1 section 11.4.2)."""

    dimension: str  # a key of COMPONENTS
    price: Decimal  # per unit of the dimension, excluding VAT
    vat_pct: Decimal | None  # None: no VAT applies
    step_size: int  # in smallest units of the dimension: Wh, s


class PriceLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A Price (OCPI 2.2.1 section 16.5) that bounds a session's cost; both figures apply."""

    excl_vat: Decimal
    incl_vat: Decimal


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff that can be priced. `components` has one entry per dimension: the first in the list of elements,
    which without restrictions is the only one that can ever be active (OCPI 2.2.1 section 11.3.1)."""

    tariff_id: str
    currency: str
    components: tuple[PriceComponent, ...]
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    type: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


def parse_tariff(ocpi: Mapping[str, Any]) -> Tariff:
    """An OCPI 2.2.1 Tariff object as read from JSON or TOML. `country_code`, `party_id`, `last_updated` and
    `step_size` (1) may be left out, so that a tariff can be written by hand.

    Raises TariffError that names the JSON path, what is wrong there, and the mend.
    """
    tariff = Reader(ocpi, "$", TariffError)
    tariff.only(_TARIFF_FIELDS, mend="Remove it, or write it as OCPI 2.2.1 section 11.3.1 does.")
    elements = tariff.objects("elements")
    components: dict[str, PriceComponent] = {}
    for element in elements:
        for component in _element(element):
            components.setdefault(component.dimension, component)
    valid_from, valid_to = tariff.time("start_date_time"), tariff.time("end_date_time")
    if valid_from and valid_to and valid_from >= valid_to:
        raise tariff.wrong("end_date_time", "is not after start_date_time", "Give the later time.")
    kept = tuple(components.values())
    min_price, max_price = _limit(tariff, "min_price", kept), _limit(tariff, "max_price", kept)
    if (
        min_price
        and max_price
        and (min_price.excl_vat > max_price.excl_vat or min_price.incl_vat > max_price.incl_vat)
    ):
        raise tariff.wrong("min_price", "is above max_price", "Lower it, or raise max_price.")
    return Tariff(
        tariff_id=tariff.text("id", longest=36),
        currency=tariff.currency("currency"),
        components=kept,
        min_price=min_price,
        max_price=max_price,
        type=tariff.choice("type", _TARIFF_TYPES) if "type" in tariff else None,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _element(element: Reader) -> list[PriceComponent]:
    if element.get("restrictions"):
        raise element.wrong(
            "restrictions",
            "cannot be priced by this version",
            "Use elements without restrictions, or another tariff per site, connector or plan.",
        )
    element.only({"price_components", "restrictions"}, mend="A TariffElement has price_components only.")
    found: dict[str, PriceComponent] = {}
    for item in element.objects("price_components"):
        component = _component(item)
        if component.dimension in found:
            raise item.wrong("type", f"{component.dimension} stands twice in one element", "Keep one of them.")
        found[component.dimension] = component
    return list(found.values())


def _component(item: Reader) -> PriceComponent:
    item.only({"type", "price", "vat", "step_size"}, mend="A PriceComponent has type, price, vat, step_size.")
    dimension = item.text("type", longest=36)
    if dimension not in COMPONENTS:
        raise item.wrong(
            "type", f"{dimension} cannot be priced by this version", f"Use one of {', '.join(COMPONENTS)}."
        )
    # A step of 0 is seen on FLAT, where it means nothing; elsewhere it would bill nothing or for ever.
    smallest = 1 if COMPONENTS[dimension].stepped else 0
    return PriceComponent(
        dimension=dimension,
        price=item.number("price", most=10**9),
        vat_pct=item.number("vat", most=100) if item.get("vat") is not None else None,
        step_size=item.whole("step_size", least=smallest, default=1),
    )


def _limit(tariff: Reader, key: str, components: tuple[PriceComponent, ...]) -> PriceLimit | None:
    if tariff.get(key) is None:
        return None
    limit = tariff.object(key)
    limit.only({"excl_vat", "incl_vat"}, mend="A Price has excl_vat and incl_vat.")
    excl_vat = limit.number("excl_vat", most=10**12)
    if limit.get("incl_vat") is not None:
        incl_vat = limit.number("incl_vat", most=10**12)
    else:
        incl_vat = excl_vat * (1 + _only_rate(limit, components) / 100)
    if incl_vat < excl_vat:
        raise limit.wrong("incl_vat", "is below excl_vat", "Include the VAT in it.")
    return PriceLimit(excl_vat=excl_vat, incl_vat=incl_vat)


def _only_rate(limit: Reader, components: tuple[PriceComponent, ...]) -> Decimal:
    """The one VAT rate of all components; with several the limit must say what it is including VAT."""
    rates = {component.vat_pct or Decimal(0) for component in components}
    if len(rates) > 1:
        raise limit.wrong("incl_vat", "is missing, and the components have several VAT rates", "Add it.")
    return rates.pop()
