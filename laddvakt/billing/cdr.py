"""Prices an OCPI 2.2.1 CDR from the dimensions of its charging periods (OCPI 2.2.1 sections 10.3.1, 10.4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from laddvakt.billing.json_reader import Reader
from laddvakt.billing.pricing import price_amounts
from laddvakt.billing.tariff import Tariff
from laddvakt.domain.errors import TariffError
from laddvakt.domain.money import round_money
from laddvakt.domain.sessions import Cost

_PLACES = 4  # OCPI 2.2.1 section 16.4: numbers have four decimals
_SUMMED = ("ENERGY", "TIME", "PARKING_TIME", "RESERVATION_TIME")
# CdrDimensionTypes that describe a period and are no amounts (OCPI 2.2.1 section 10.4.3).
_DESCRIPTIVE = (
    *("CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "MAX_CURRENT", "MIN_CURRENT", "MAX_POWER", "MIN_POWER"),
    *("POWER", "STATE_OF_CHARGE"),
)
_TOTALS = {"total_fixed_cost": "FLAT", "total_energy_cost": "ENERGY", "total_time_cost": "TIME"}


def price_cdr(tariff: Tariff, cdr: Mapping[str, Any]) -> dict[str, Any]:
    """The totals of a CDR under `tariff`, named and shaped as in the CDR object; numbers are Decimal, costs
    `{"excl_vat", "incl_vat"}`. The parts are before `min_price` and `max_price`, `total_cost` is after.

    Raises TariffError that names the JSON path where the CDR cannot be read, or does not fit the tariff.
    """
    reader = Reader(cdr, "$", TariffError)
    _require_fit(tariff, reader)
    started_at, ended_at = _time(reader, "start_date_time"), _time(reader, "end_date_time")
    if ended_at < started_at:
        raise reader.wrong("end_date_time", "is before start_date_time", "Give the times of one session.")
    volumes = _volumes(reader)
    if "ENERGY" not in volumes and reader.get("total_energy") is not None:
        volumes["ENERGY"] = reader.number("total_energy", most=10**9)
    _require_amounts(tariff, reader, volumes)
    amounts = {
        "ENERGY": Fraction(volumes.get("ENERGY", Decimal(0))) * 1000,
        "TIME": Fraction(_seconds(volumes.get("TIME", Decimal(0)))),
        "FLAT": Fraction(1),
    }
    cost = price_amounts(tariff, amounts, final=True)
    hours = Decimal(int((ended_at - started_at).total_seconds())) / 3600
    return {
        "currency": tariff.currency,
        "total_cost": {"excl_vat": cost.excl_vat.amount, "incl_vat": cost.incl_vat.amount},
        **{key: _part(cost, dimension) for key, dimension in _TOTALS.items()},
        "total_energy": round_money(volumes.get("ENERGY", Decimal(0)), _PLACES),
        "total_time": round_money(hours, _PLACES),
    }


def _require_fit(tariff: Tariff, cdr: Reader) -> None:
    if cdr.get("credit"):
        raise cdr.wrong("credit", "a credit CDR has no price of its own", "Price the CDR that it credits.")
    if cdr.get("currency") is not None and cdr.currency("currency") != tariff.currency:
        raise cdr.wrong("currency", f"is not {tariff.currency} as in the tariff", "Use a tariff in that currency.")
    named = {str(period.get("tariff_id")).lower() for period in cdr.objects("charging_periods")} - {"none"}
    if len(named) > 1:
        raise cdr.wrong(
            "charging_periods",
            f"name several tariffs ({', '.join(sorted(named))}), and one is given",
            "Price the periods of each tariff by themselves.",
        )


def _volumes(cdr: Reader) -> dict[str, Decimal]:
    """Sums over all periods, in the units of the CDR (kWh, hours)."""
    volumes: dict[str, Decimal] = {}
    for period in cdr.objects("charging_periods"):
        for dimension in period.objects("dimensions"):
            kind = dimension.choice("type", (*_SUMMED, *_DESCRIPTIVE))
            if kind in _SUMMED:
                volume = dimension.number("volume", most=10**9)
                volumes[kind] = volumes.get(kind, Decimal(0)) + volume
    return volumes


def _require_amounts(tariff: Tariff, cdr: Reader, volumes: Mapping[str, Decimal]) -> None:
    """What the tariff charges for, the CDR must say: nothing said is not the same as none used."""
    said = set(volumes) | {"FLAT"}
    if "PARKING_TIME" in volumes:
        said.add("TIME")  # the time is split between the two; there was no time charging
    missing = [item.dimension for item in tariff.components if item.dimension not in said]
    if missing:
        raise cdr.wrong(
            "charging_periods",
            f"no {missing[0]} dimension, but the tariff charges for {missing[0]}",
            "Add it to the periods' dimensions.",
        )


def _seconds(hours: Decimal) -> int:
    """Volumes in hours have four decimals: within 0.18 s of the whole second that was meant. Without this a
    `step_size` of a minute would bill 2400.12 s (0.6667 h) as 41 minutes."""
    return int(round_money(hours * 3600, 0))


def _part(cost: Cost, dimension: str) -> dict[str, Decimal]:
    lines = [line for line in cost.lines if line.component == dimension]
    excl_vat = sum((line.excl_vat for line in lines), Decimal(0))
    return {"excl_vat": excl_vat, "incl_vat": excl_vat + sum((line.vat for line in lines), Decimal(0))}


def _time(cdr: Reader, key: str) -> datetime:
    value = cdr.time(key)
    if value is None:
        raise cdr.wrong(key, "is missing", "Add it.")
    return value
