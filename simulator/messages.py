"""What a circuit measures, as OCPP 1.6 and native MQTT write it, from a circuit and a dialect. Pure."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from simulator.circuit import Circuit
from simulator.spec import Dialect, StationSpec


def milliseconds(now_s: float) -> int:
    """Whole milliseconds since 1970; a time that was made of them keeps its own, whatever a float makes of it."""
    return int(now_s * 1000 + 0.01)


@lru_cache(maxsize=64)
def _date(days: int) -> str:
    return datetime.fromtimestamp(days * 86_400, UTC).date().isoformat()


def timestamp(now_s: float) -> str:
    """RFC 3339 in UTC, milliseconds."""
    whole, rest = divmod(milliseconds(now_s), 1000)
    days, second = divmod(whole, 86_400)
    minute, second = divmod(second, 60)
    return f"{_date(days)}T{minute // 60:02d}:{minute % 60:02d}:{second:02d}.{rest:03d}Z"


def boot(spec: StationSpec) -> dict[str, Any]:
    """BootNotification.req (section 6.3)."""
    return {
        "chargePointVendor": spec.vendor[:20],
        "chargePointModel": spec.model[:20],
        "chargePointSerialNumber": f"{zlib.crc32(spec.station_id.encode()):010d}",
        "firmwareVersion": spec.firmware[:50],
    }


def sampled(value: float | str, measurand: str, unit: str | None = None, **more: str) -> dict[str, str]:
    """One SampledValue (section 7.43). What is left out has its default."""
    item = {"value": value if isinstance(value, str) else f"{value:.1f}", "measurand": measurand}
    if unit:
        item["unit"] = unit
    item.update(more)
    return item


def energy_value(circuit: Circuit, dialect: Dialect) -> dict[str, str]:
    """The register in the unit of the dialect."""
    register_wh = circuit.metered_wh(dialect.register_step_wh)
    text = f"{register_wh / 1000:.3f}" if dialect.energy_unit == "kWh" else str(register_wh)
    return sampled(text, "Energy.Active.Import.Register", dialect.energy_unit)


def meter_value(
    circuit: Circuit,
    dialect: Dialect,
    now_s: float,
    context: str = "Sample.Periodic",
    *,
    cabinet_c: float,
) -> dict[str, Any]:
    """One MeterValue (section 7.33) of everything that this dialect reports."""
    power_w = circuit.metered_w()
    values = [energy_value(circuit, dialect), *_powers(circuit, dialect, power_w)]
    values += _currents(circuit)
    if dialect.voltage:
        values += _voltages(circuit)
    values.append(sampled(circuit.told_offer_a, "Current.Offered", "A"))
    if circuit.dc:
        values.append(sampled(f"{circuit.soc * 100:.0f}", "SoC", "Percent", location="EV"))
    if dialect.temperature:
        values.append(sampled(circuit.sensed_plug_c, "Temperature", "Celsius", location="Outlet"))
        values.append(sampled(cabinet_c, "Temperature", "Celsius", location="Body"))
    if context != "Sample.Periodic":
        for value in values:
            value["context"] = context
    return {"timestamp": timestamp(now_s), "sampledValue": values}


def _powers(circuit: Circuit, dialect: Dialect, power_w: float) -> list[dict[str, str]]:
    def told(watts: float, **more: str) -> dict[str, str]:
        text = f"{watts / 1000:.3f}" if dialect.power_unit == "kW" else f"{watts:.1f}"
        return sampled(text, "Power.Active.Import", dialect.power_unit, **more)

    if not dialect.phase_power or circuit.dc or len(circuit.amps) == 1:
        return [told(power_w)]
    total_a = sum(circuit.amps) or 1.0
    return [told(power_w * a / total_a, phase=f"L{i}") for i, a in enumerate(circuit.amps, 1)]


def _currents(circuit: Circuit) -> list[dict[str, str]]:
    amperes = circuit.metered_a()
    if circuit.dc:
        return [sampled(amperes[0], "Current.Import", "A")]
    return [sampled(f"{a:.2f}", "Current.Import", "A", phase=f"L{i}") for i, a in enumerate(amperes, 1)]


def _voltages(circuit: Circuit) -> list[dict[str, str]]:
    volts = circuit.metered_v()
    if circuit.dc:
        return [sampled(volts[0], "Voltage", "V")]
    return [sampled(v, "Voltage", "V", phase=f"L{i}-N") for i, v in enumerate(volts, 1)]


def edge_value(circuit: Circuit, dialect: Dialect, now_s: float, context: str) -> dict[str, Any]:
    """The register alone, as transactionData carries it at begin and end."""
    return {
        "timestamp": timestamp(now_s),
        "sampledValue": [{**energy_value(circuit, dialect), "context": context}],
    }


def device_meter(circuit: Circuit, now_s: float, gain: float) -> dict[str, Any]:
    """What an independent meter and a plug sensor say of a connector: `laddvakt/<station>/<connector>/meter`."""
    payload: dict[str, Any] = {
        "ts": timestamp(now_s),
        "energy_wh": round(circuit.energy_wh * gain, 1),
        "power_w": round((circuit.power_w + circuit.own_w) * gain, 1),
        "plug_temperature_c": round(circuit.sensed_plug_c, 1),
    }
    if not circuit.dc:
        for phase, (amps, volts) in enumerate(zip(circuit.supply_amps, circuit.volts, strict=True), 1):
            payload[f"current_l{phase}_a"] = round(amps * gain, 2)
            payload[f"voltage_l{phase}_v"] = round(volts, 1)
    if circuit.dc:
        payload["isolation_ohm_per_v"] = round(circuit.isolation_ohm_per_v)
    return payload


def device_telemetry(
    *, now_s: float, air_c: float | None, cabinet_c: float, fan_rpm: float | None, rssi_dbm: float
) -> dict[str, Any]:
    """What a station's gateway says of its surroundings: `laddvakt/<station>/telemetry`."""
    payload: dict[str, Any] = {
        "ts": timestamp(now_s),
        "cabinet_temperature_c": round(cabinet_c, 1),
        "rssi_dbm": round(rssi_dbm),
    }
    if air_c is not None:
        payload["ambient_temperature_c"] = round(air_c, 1)
    if fan_rpm is not None:
        payload["fan_rpm"] = round(fan_rpm, -1)
    return payload
