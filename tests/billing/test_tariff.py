"""Reading OCPI tariffs: what is accepted, and how refusals speak."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.billing import parse_tariff
from laddvakt.domain.errors import TariffError

# The shape of OCPI 2.2.1 section 11.3.1.1, "0.25 euro per kWh + start fee", with every optional field.
FULL: dict[str, Any] = {
    "country_code": "SE",
    "party_id": "LDV",
    "id": "16",
    "currency": "EUR",
    "type": "REGULAR",
    "tariff_alt_text": [{"language": "en", "text": "A start fee and the energy"}],
    "min_price": {"excl_vat": 0.5, "incl_vat": 0.6},
    "max_price": {"excl_vat": 10, "incl_vat": 11},
    "elements": [
        {
            "price_components": [
                {"type": "FLAT", "price": 0.5, "vat": 20.0, "step_size": 1},
                {"type": "ENERGY", "price": 0.25, "vat": 10.0, "step_size": 1},
            ]
        }
    ],
    "start_date_time": "2026-01-01T00:00:00Z",
    "end_date_time": "2026-06-30T23:59:59",
    "last_updated": "2025-12-17T17:15:01Z",
}


def changed(path: str, value: object) -> dict[str, Any]:
    """FULL with another value at a dotted path; `...` removes the key."""
    tariff = copy.deepcopy(FULL)
    place: Any = tariff
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return tariff


def test_parse_full_tariff() -> None:
    tariff = parse_tariff(FULL)
    assert (tariff.tariff_id, tariff.currency, tariff.type) == ("16", "EUR", "REGULAR")
    assert [(item.dimension, item.price, item.vat_pct) for item in tariff.components] == [
        ("FLAT", Decimal("0.5"), Decimal("20.0")),
        ("ENERGY", Decimal("0.25"), Decimal("10.0")),
    ]
    assert tariff.max_price is not None and tariff.max_price.incl_vat == Decimal(11)
    assert tariff.valid_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert tariff.valid_to == datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)  # no zone is UTC


def test_parse_needs_only_id_currency_elements() -> None:
    tariff = parse_tariff(
        {"id": "x", "currency": "SEK", "elements": [{"price_components": [{"type": "TIME", "price": 30}]}]}
    )
    (component,) = tariff.components
    assert (component.step_size, component.vat_pct) == (1, None)


def test_parse_takes_times_as_toml_gives_them() -> None:
    tariff = parse_tariff(changed("start_date_time", datetime(2026, 1, 1, tzinfo=UTC)))
    assert tariff.valid_from == datetime(2026, 1, 1, tzinfo=UTC)


def test_first_element_of_a_dimension_is_used() -> None:
    second = {"price_components": [{"type": "ENERGY", "price": 9}, {"type": "TIME", "price": 7}]}
    tariff = parse_tariff(changed("elements", [*FULL["elements"], second]))
    assert {item.dimension: item.price for item in tariff.components} == {
        "FLAT": Decimal("0.5"),
        "ENERGY": Decimal("0.25"),
        "TIME": Decimal(7),
    }


def test_limit_without_vat_takes_the_only_rate() -> None:
    tariff = changed("elements.0.price_components.0.vat", 10)
    tariff["min_price"] = {"excl_vat": 5}
    assert parse_tariff(tariff).min_price is not None
    assert parse_tariff(tariff).min_price.incl_vat == Decimal("5.5")  # type: ignore[union-attr]  # just asserted


@pytest.mark.parametrize(
    ("path", "value", "where", "mend"),
    [
        ("id", ..., "$.id: is missing", "Add it."),
        ("id", "x" * 37, "$.id: ", "text"),
        ("id", 7, "$.id: is 7", "text"),
        ("currency", "kr", "$.currency: 'kr'", "SEK"),
        ("currency", 5, "$.currency: 5", "SEK"),
        ("type", "CHEAP", "$.type: 'CHEAP'", "PROFILE_CHEAP"),
        ("tax_included", "YES", "$.tax_included: is not a known field", "OCPI 2.2.1"),
        ("elements", [], "$.elements: is a list of 0", "[{...}]"),
        ("elements", {}, "$.elements: is an object", "[{...}]"),
        ("elements", ["x"], "$.elements[0] is the text 'x'", "{...}"),
        ("elements.0.price", 3, "$.elements[0].price: is not a known field", "price_components"),
        ("elements.0.restrictions", {"day_of_week": ["MONDAY"]}, "[0].restrictions: cannot", "another tariff"),
        ("elements.0.price_components.1.type", "PARKING_TIME", "components[1].type: PARKING", "ENERGY, TIME"),
        ("elements.0.price_components.1.type", "FLAT", "price_components[1].type: FLAT stands twice", "Keep one"),
        ("elements.0.price_components.1.price", "0.25", "price_components[1].price: is the text '0.25'", "quotes"),
        ("elements.0.price_components.1.price", True, "price_components[1].price: is True", "quotes"),
        ("elements.0.price_components.1.price", -1, "price_components[1].price: -1 is not between", "range"),
        ("elements.0.price_components.1.price", float("nan"), "price_components[1].price: nan is not", "range"),
        ("elements.0.price_components.1.price", None, "price_components[1].price: is missing", "Add it."),
        ("elements.0.price_components.1.vat", 101, "price_components[1].vat: 101 is not", "range"),
        ("elements.0.price_components.1.step_size", 0, "price_components[1].step_size: 0", "1 or more"),
        ("elements.0.price_components.1.step_size", 1.5, "price_components[1].step_size: 1.5", "whole"),
        ("elements.0.price_components.1.stepsize", 1, "price_components[1].stepsize: is not a known", "step_size"),
        ("min_price", 5, "$.min_price is 5, not an object", "{...}"),
        ("min_price.incl_vat", 0.4, "$.min_price.incl_vat: is below excl_vat", "Include"),
        ("min_price.incl_vat", ..., "$.min_price.incl_vat: is missing", "Add it."),
        ("min_price.vat", 3, "$.min_price.vat: is not a known field", "excl_vat"),
        ("max_price.excl_vat", 0.1, "$.min_price: is above max_price", "Lower"),
        ("start_date_time", "soon", "$.start_date_time: soon is not a time", "2026"),
        ("start_date_time", datetime(2026, 1, 1), "$.start_date_time: 2026", "Z"),  # noqa: DTZ001 - naive on purpose
        ("end_date_time", "2025-01-01T00:00:00Z", "$.end_date_time: is not after", "later"),
    ],
)  # fmt: skip
def test_refusals_name_path_and_mend(path: str, value: object, where: str, mend: str) -> None:
    with pytest.raises(TariffError) as caught:
        parse_tariff(changed(path, value))
    assert where in caught.value.message
    assert mend in str(caught.value)


@pytest.mark.parametrize("value", [[], "tariff", None, 4])
def test_not_an_object(value: Any) -> None:
    with pytest.raises(TariffError, match=r"^\$ is .*not an object"):
        parse_tariff(value)


def test_flat_may_have_step_size_0_and_empty_restrictions() -> None:
    tariff = changed("elements.0.price_components.0.step_size", 0)
    tariff["elements"][0]["restrictions"] = {}
    assert parse_tariff(tariff).components[0].step_size == 0


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FULL)), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(FULL)), _JSON, max_size=len(FULL)))
def test_anything_is_a_tariff_or_a_tariff_error(over: dict[str, Any]) -> None:
    try:
        parse_tariff({**FULL, **over})
    except TariffError as error:
        assert error.message.startswith("$") and error.mend
