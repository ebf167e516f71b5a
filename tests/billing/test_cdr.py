"""Pricing of OCPI CDRs."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.billing import parse_tariff, price_cdr
from laddvakt.domain.errors import TariffError

# The CDR of OCPI 2.2.1 section 10.3.1 (start, end, period and totals), which says 4.00 and 4.40.
CDR: dict[str, Any] = {
    "id": "12345",
    "start_date_time": "2015-06-29T21:39:09Z",
    "end_date_time": "2015-06-29T23:37:32Z",
    "currency": "EUR",
    "charging_periods": [
        {
            "start_date_time": "2015-06-29T21:39:09Z",
            "dimensions": [{"type": "TIME", "volume": 1.973}],
            "tariff_id": "12",
        }
    ],
    "total_energy": 15.342,
}


def tariff(*components: tuple[str, float, float, int], **fields: Any) -> Any:
    listed = [
        {"type": kind, "price": price, "vat": vat, "step_size": step} for kind, price, vat, step in components
    ]
    return parse_tariff({"id": "12", "currency": "EUR", "elements": [{"price_components": listed}], **fields})


def periods(*dimensions: list[tuple[str, float]], **fields: Any) -> dict[str, Any]:
    cdr = copy.deepcopy(CDR) | fields
    cdr["charging_periods"] = [
        {"start_date_time": CDR["start_date_time"], "dimensions": [{"type": k, "volume": v} for k, v in listed]}
        for listed in dimensions
    ]
    return cdr


def price(excl: str, incl: str) -> dict[str, Decimal]:
    return {"excl_vat": Decimal(excl), "incl_vat": Decimal(incl)}


def test_example_of_the_specification() -> None:
    assert price_cdr(tariff(("TIME", 2, 10, 300)), CDR) == {
        "currency": "EUR",
        "total_cost": price("4.00", "4.40"),
        "total_fixed_cost": price("0", "0"),
        "total_energy_cost": price("0", "0"),
        "total_time_cost": price("4.00", "4.40"),
        "total_energy": Decimal("15.3420"),
        "total_time": Decimal("1.9731"),
    }


def test_parts_and_limit() -> None:
    used = tariff(
        ("FLAT", 1, 20, 1), ("ENERGY", 0.5, 10, 1), ("TIME", 3, 10, 60), max_price={"excl_vat": 5, "incl_vat": 5.5}
    )
    cdr = periods([("ENERGY", 8), ("TIME", 0.5), ("MAX_CURRENT", 16)], [("ENERGY", 2.0004), ("TIME", 0.1667)])
    totals = price_cdr(used, cdr)
    assert totals["total_fixed_cost"] == price("1.00", "1.20")
    assert totals["total_energy_cost"] == price("5.00", "5.50")  # 10.001 kWh
    assert totals["total_time_cost"] == price("2.00", "2.20")  # 0.6667 h is 40 minutes, not 41
    assert totals["total_cost"] == price("5.00", "5.50")
    assert totals["total_energy"] == Decimal("10.0004")


def test_energy_falls_back_on_the_total_of_the_cdr() -> None:
    assert price_cdr(tariff(("ENERGY", 1, 0, 1)), CDR)["total_cost"] == price("15.34", "15.34")


def test_parking_only_session_has_no_time_to_pay() -> None:
    totals = price_cdr(tariff(("TIME", 2, 10, 300)), periods([("PARKING_TIME", 1.0)]))
    assert totals["total_cost"] == price("0.00", "0.00")


def test_another_single_tariff_may_be_tried() -> None:
    cdr = copy.deepcopy(CDR)
    cdr["charging_periods"][0]["tariff_id"] = "another"
    assert price_cdr(tariff(("FLAT", 2, 0, 1)), cdr)["total_cost"] == price("2.00", "2.00")


def _without(key: str) -> dict[str, Any]:
    return {name: value for name, value in CDR.items() if name != key}


@pytest.mark.parametrize(
    ("cdr", "where"),
    [
        ([], "$ is a list"),
        ({**CDR, "credit": True}, "$.credit: a credit CDR"),
        ({**CDR, "currency": "SEK"}, "$.currency: is not EUR"),
        ({**CDR, "end_date_time": "2015-06-28T00:00:00Z"}, "$.end_date_time: is before"),
        ({**CDR, "start_date_time": "x"}, "$.start_date_time: x is not a time"),
        (_without("end_date_time"), "$.end_date_time: is missing"),
        (_without("charging_periods"), "$.charging_periods: is missing"),
        (periods([("ENERGY", 1)]), "$.charging_periods: no TIME dimension"),
        (periods([("TIMES", 1)]), "$.charging_periods[0].dimensions[0].type: 'TIMES'"),
        (periods([("TIME", -1)]), "$.charging_periods[0].dimensions[0].volume: -1"),
        (
            {**CDR, "charging_periods": [{**CDR["charging_periods"][0], "tariff_id": key} for key in "ab"]},
            "$.charging_periods: name several tariffs (a, b)",
        ),
    ],
)
def test_refusals_name_the_path(cdr: Any, where: str) -> None:
    with pytest.raises(TariffError) as caught:
        price_cdr(tariff(("TIME", 2, 10, 300)), cdr)
    assert where in caught.value.message
    assert caught.value.mend


_VALUES = st.none() | st.booleans() | st.floats() | st.integers(-5, 10**10) | st.text(max_size=6)
_DIMENSIONS = st.fixed_dictionaries(
    {"type": st.sampled_from(["ENERGY", "TIME", "FLAT", "POWER"]), "volume": _VALUES}
)
_PERIODS = st.fixed_dictionaries(
    {"dimensions": st.lists(_DIMENSIONS, max_size=3) | _VALUES}, optional={"tariff_id": _VALUES}
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "charging_periods": st.lists(_PERIODS, max_size=3) | _VALUES,
            "start_date_time": _VALUES,
            "currency": _VALUES,
            "total_energy": _VALUES,
        },
    )
)
def test_anything_has_totals_or_a_tariff_error(over: dict[str, Any]) -> None:
    try:
        totals = price_cdr(tariff(("ENERGY", 1, 25, 1)), {**CDR, **over})
    except TariffError as error:
        assert error.message.startswith("$") and error.mend
    else:
        assert totals["total_cost"]["excl_vat"] >= 0
