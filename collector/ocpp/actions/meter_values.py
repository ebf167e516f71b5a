"""MeterValues (OCPP 1.6 section 4.7; 2.0.1 part 2 J01): sampled values, each with its own time,
context, phase and unit.

Numbers are read leniently (decimal comma, a trailing unit); signed values are kept in the raw entry untouched;
what cannot be read is set aside while the other values of the message survive.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from collector.ocpp.action import Action, Answer, Ask
from collector.ocpp.evse import connector_number
from laddvakt.domain.facts import Fact, Measured, Quarantined, QuarantineReason
from laddvakt.domain.readings import Reading, Unit, field_name
from laddvakt.domain.times import effective_time, parse_time

_NUMBER = re.compile(r"^\s*([-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)\s*[A-Za-z%°]*\s*$")
_fields: dict[tuple[str, str | None, str | None], tuple[str, Unit] | None] = {}
_MAX_FIELDS = 4096  # combinations remembered; a station that invents more is read without the memory


def _field(measurand: str, unit: str | None, phase: str | None) -> tuple[str, Unit] | None:
    key = (measurand, unit, phase)
    if key in _fields:
        return _fields[key]
    found = field_name(measurand, unit, phase)
    if len(_fields) < _MAX_FIELDS:
        _fields[key] = found
    return found


def read_number(text: str) -> float | None:
    """A sampled value as a finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        match = _NUMBER.match(text)
        if match is None:
            return None
        value = float(match[1].replace(",", "."))
    return value if math.isfinite(value) else None


def _read_one(sample: dict[str, Any], at: datetime, said: datetime | None) -> Reading | str | None:
    """A reading, or why there is none (None: signed data, which is kept untouched)."""
    if sample.get("format") == "SignedData":
        return None
    measurand = sample.get("measurand", "Energy.Active.Import.Register")  # the default of section 7.43
    said_unit, multiplier = _unit_of(sample) if "unitOfMeasure" in sample else (_word(sample.get("unit")), 0)
    found = _field(measurand, said_unit, sample.get("phase"))
    if found is None:
        return f"{measurand} in {said_unit!r} on phase {sample.get('phase')!r} is not known"
    value = read_number(str(sample["value"]))
    if value is None:
        return f"{measurand}: {str(sample['value'])[:60]!r} is not a number"
    name, unit = found
    in_base = value * (10.0**multiplier if multiplier else 1.0) * unit.factor + unit.offset
    if not math.isfinite(in_base):
        return f"{measurand}: {value} times ten to the power of {multiplier} is out of range"
    return Reading(
        at=at,
        field=name,
        value=in_base,
        context=sample.get("context", "Sample.Periodic"),
        location=sample.get("location", ""),
        station_at=said,
        factor=1.0 if name != "energy_wh" else unit.factor if said_unit else 0.0,
    )


def _unit_of(sample: dict[str, Any]) -> tuple[str | None, int]:
    """The unit as said, and the power of ten on the value: OCPP 2.x has both in `unitOfMeasure`."""
    of_2x = sample.get("unitOfMeasure")
    if not isinstance(of_2x, dict):
        return _word(sample.get("unit")), 0
    multiplier = of_2x.get("multiplier")
    power = int(multiplier) if isinstance(multiplier, int | float) and abs(multiplier) <= 30 else 0
    return _word(of_2x.get("unit")), power


def _word(unit: Any) -> str | None:
    """A unit; None for what is no text: in the other version's place no schema was held against it."""
    return unit if isinstance(unit, str) else None


def read_meter_values(
    meter_values: list[dict[str, Any]], received_at: datetime
) -> tuple[tuple[Reading, ...], list[Fact]]:
    """All readings of a `meterValue` array in order, and what had to be set aside."""
    readings: list[Reading] = []
    problems: list[Fact] = []
    for meter_value in meter_values:
        parsed = parse_time(meter_value["timestamp"])
        at = effective_time(parsed, received_at)
        said = parsed if parsed != at else None
        for sample in meter_value["sampledValue"]:
            result = _read_one(sample, at, said)
            if isinstance(result, Reading):
                readings.append(result)
            elif result is not None:
                reason = QuarantineReason.UNREADABLE_VALUE
                problems.append(Quarantined(at=received_at, reason=reason, detail=result))
    return tuple(readings), problems


def _v16(ask: Ask) -> Answer:
    payload = ask.payload
    readings, problems = read_meter_values(payload["meterValue"], ask.received_at)
    if not readings:
        return Answer({}, tuple(problems))
    transaction = payload.get("transactionId")
    measured = Measured(
        at=readings[-1].at,
        connector_id=payload["connectorId"],
        transaction_id=str(transaction) if transaction is not None and transaction > 0 else None,
        readings=readings,
    )
    return Answer({}, (measured, *problems))


def _v2(ask: Ask) -> Answer:
    """Values outside of any transaction: of an EVSE, or of the whole station (0)."""
    evse_id = ask.payload["evseId"]
    readings, problems = read_meter_values(ask.payload["meterValue"], ask.received_at)
    if not readings:
        return Answer({}, tuple(problems))
    measured = Measured(at=readings[-1].at, connector_id=connector_number(evse_id), readings=readings)
    return Answer({}, (measured, *problems))


ACTION = Action("MeterValues", {"ocpp1.6": _v16, "ocpp2.0.1": _v2, "ocpp2.1": _v2})
