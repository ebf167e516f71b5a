"""Readings: one measured value in a base unit, and the telemetry field it is kept under.

Field names carry their unit and are the same over OCPP, MQTT, in the stores and in figures: `energy_wh`,
`power_w`, `current_l1_a`, `voltage_l1_v`, `soc_pct`, `temperature_c`...
Source: OCPP 1.6 section 7.31 Measurand, 7.42 UnitOfMeasure, 7.36 Phase; OCPP 2.0.1 part 2 section 3.50.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One value. `at` is the effective time (UTC), `station_at` the station's own word where it differs."""

    at: datetime
    field: str  # telemetry field, unit in the name; a row of FIELDS or an MQTT device's own
    value: float
    context: str = "Sample.Periodic"  # OCPP ReadingContext
    location: str = ""  # OCPP Location; empty is Outlet
    station_at: datetime | None = None
    factor: float = 1.0  # energy_wh only: 1000 where the station said kWh, 0 where it named no unit


class Unit(NamedTuple):
    """How a wire unit becomes a base unit: base = value * factor + offset."""

    suffix: str
    factor: float = 1.0
    offset: float = 0.0


# Wire unit, lower case -> base unit. Spellings seen in the field included.
UNITS: dict[str, Unit] = {
    "wh": Unit("wh"),
    "kwh": Unit("wh", 1000),
    "mwh": Unit("wh", 1_000_000),
    "varh": Unit("varh"),
    "kvarh": Unit("varh", 1000),
    "vah": Unit("vah"),
    "kvah": Unit("vah", 1000),
    "w": Unit("w"),
    "kw": Unit("w", 1000),
    "va": Unit("va"),
    "kva": Unit("va", 1000),
    "var": Unit("var"),
    "kvar": Unit("var", 1000),
    "a": Unit("a"),
    "ma": Unit("a", 0.001),
    "v": Unit("v"),
    "mv": Unit("v", 0.001),
    "kv": Unit("v", 1000),
    "hz": Unit("hz"),
    "hertz": Unit("hz"),
    "celsius": Unit("c"),
    "celcius": Unit("c"),
    "c": Unit("c"),
    "fahrenheit": Unit("c", 5 / 9, -160 / 9),
    "f": Unit("c", 5 / 9, -160 / 9),
    "k": Unit("c", 1, -273.15),
    "percent": Unit("pct"),
    "%": Unit("pct"),
    "rpm": Unit("rpm"),
}


class Measurand(NamedTuple):
    """A row per OCPP measurand: the stem of its telemetry field and the wire unit it has by default."""

    stem: str
    default_unit: str


MEASURANDS: dict[str, Measurand] = {
    "Energy.Active.Import.Register": Measurand("energy", "Wh"),
    "Energy.Active.Export.Register": Measurand("energy_export", "Wh"),
    "Energy.Reactive.Import.Register": Measurand("energy_reactive", "varh"),
    "Energy.Reactive.Export.Register": Measurand("energy_reactive_export", "varh"),
    "Energy.Active.Import.Interval": Measurand("energy_interval", "Wh"),
    "Energy.Active.Export.Interval": Measurand("energy_export_interval", "Wh"),
    "Energy.Reactive.Import.Interval": Measurand("energy_reactive_interval", "varh"),
    "Energy.Reactive.Export.Interval": Measurand("energy_reactive_export_interval", "varh"),
    "Power.Active.Import": Measurand("power", "W"),
    "Power.Active.Export": Measurand("power_export", "W"),
    "Power.Reactive.Import": Measurand("power_reactive", "var"),
    "Power.Reactive.Export": Measurand("power_reactive_export", "var"),
    "Power.Offered": Measurand("power_offered", "W"),
    "Power.Factor": Measurand("power_factor", ""),
    "Current.Import": Measurand("current", "A"),
    "Current.Export": Measurand("current_export", "A"),
    "Current.Offered": Measurand("current_offered", "A"),
    "Voltage": Measurand("voltage", "V"),
    "Frequency": Measurand("frequency", "Hz"),
    "Temperature": Measurand("temperature", "Celsius"),
    "SoC": Measurand("soc", "Percent"),
    "RPM": Measurand("fan", "RPM"),
}

# A unit of energy on a power, and the reverse: the label is wrong, the number is what the measurand says.
_MISLABELLED = {"energy": {"w": "wh", "kw": "kwh"}, "power": {"wh": "w", "kwh": "kw", "mwh": "kw"}}

_PHASES = {"L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1"}


def field_name(measurand: str, unit: str | None, phase: str | None) -> tuple[str, Unit] | None:
    """The telemetry field of a sampled value and how to convert it, or None for an unknown measurand or unit.

    `L1-N` is stored as `l1` (phase to neutral is what `voltage_l1_v` means); line-to-line keeps both names:
    `voltage_l1_l2_v`. A frequency without a unit is in hertz: OCPP 1.6 has no unit for it.
    """
    row = MEASURANDS.get(measurand)
    if row is None or (phase is not None and phase not in _PHASES):
        return None
    wire = (unit or row.default_unit).strip().lower()
    if row.stem == "frequency":
        wire = "hz"  # OCPP 1.6 has no Hertz; stations send Wh, W or nothing
    wire = _MISLABELLED.get(row.stem.partition("_")[0], {}).get(wire, wire)
    if row.stem == "power_factor":
        conversion = Unit("", 1.0)
    elif wire in UNITS:
        conversion = UNITS[wire]
    else:
        return None
    parts = [row.stem]
    if phase:
        parts.append(phase.removesuffix("-N").lower().replace("-", "_") if phase != "N" else "n")
    if conversion.suffix:
        parts.append(conversion.suffix)
    return "_".join(parts), conversion
