"""Fields and units: one name per quantity, whatever a station calls it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.readings import MEASURANDS, UNITS, field_name


@pytest.mark.parametrize(
    ("measurand", "unit", "phase", "field", "wire", "base"),
    [
        ("Energy.Active.Import.Register", None, None, "energy_wh", 5, 5),
        ("Energy.Active.Import.Register", "kWh", None, "energy_wh", 1.5, 1500),
        ("Power.Active.Import", "kW", "L2", "power_l2_w", 7.2, 7200),
        ("Current.Import", "A", "L1-N", "current_l1_a", 16, 16),
        ("Current.Import", "A", "N", "current_n_a", 1, 1),
        ("Voltage", "V", "L1-L2", "voltage_l1_l2_v", 400, 400),
        ("Temperature", "Celcius", None, "temperature_c", 21, 21),
        ("Temperature", "Fahrenheit", None, "temperature_c", 212, 100),
        ("Temperature", "K", None, "temperature_c", 273.15, 0),
        ("SoC", None, None, "soc_pct", 80, 80),
        ("Frequency", "Wh", None, "frequency_hz", 50, 50),
        ("Power.Factor", "V", None, "power_factor", 0.98, 0.98),
        ("RPM", None, None, "fan_rpm", 1400, 1400),
    ],
)
def test_a_sampled_value_has_one_field_and_base_unit(
    measurand: str, unit: str | None, phase: str | None, field: str, wire: float, base: float
) -> None:
    found = field_name(measurand, unit, phase)
    assert found is not None
    name, conversion = found
    assert name == field
    assert wire * conversion.factor + conversion.offset == pytest.approx(base)


@pytest.mark.parametrize(
    ("measurand", "unit", "phase"),
    [("Horsepower", None, None), ("Voltage", "furlong", None), ("Voltage", "V", "L4")],
)
def test_what_is_not_known_has_no_field(measurand: str, unit: str | None, phase: str | None) -> None:
    assert field_name(measurand, unit, phase) is None


@given(st.sampled_from(sorted(MEASURANDS)), st.none() | st.text(max_size=12), st.none() | st.text(max_size=6))
def test_no_unit_or_phase_breaks_it(measurand: str, unit: str | None, phase: str | None) -> None:
    found = field_name(measurand, unit, phase)
    assert found is None or found[0].replace("_", "").isalnum()


def test_default_units_are_known() -> None:
    assert all(row.default_unit.lower() in UNITS for row in MEASURANDS.values() if row.default_unit)
