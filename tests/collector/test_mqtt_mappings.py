"""Mapping files: every ready mapping on payloads as its maker documents them; nothing that comes makes it fail."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.mqtt.facts import raw_bytes, raw_text
from collector.mqtt.mapping_file import load_mappings, ready_names
from collector.mqtt.mappings import Mapping, Reader
from collector.mqtt.places import find, parse_path
from collector.mqtt.sparkplug import Payload
from collector.mqtt.topics import TopicPattern
from collector.replay import ReplayCollector
from collector.replaylog import LogLine, RecordedAnswers
from laddvakt.domain.entries import Entry
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.facts import Measured, NonConforming, Quarantined, QuarantineReason
from tests.support.stations import T0, at


def load(tmp_path: Path, text: str) -> tuple[Mapping, ...]:
    path = tmp_path / "mappings.toml"
    path.write_text(text, "utf-8")
    return load_mappings([path])


def reader(tmp_path: Path, text: str) -> Reader:
    return Reader(load(tmp_path, text))


def ready(tmp_path: Path, name: str, devices: dict[str, str], more: str = "") -> Reader:
    rows = "\n".join(f'"{device}" = "{owner}"' for device, owner in devices.items())
    return reader(tmp_path, f'[[mappings]]\nuse = "{name}"\n{more}\n[mappings.devices]\n{rows}\n')


def read(reader: Reader, topic: str, payload: Any) -> Entry:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    entry = reader.read(topic, data, T0)
    assert entry is not None
    return entry


def measured(entry: Entry) -> Measured:
    (fact,) = entry.facts
    assert isinstance(fact, Measured)
    return fact


def values(entry: Entry) -> dict[str, float]:
    return {reading.field: round(reading.value, 6) for reading in measured(entry).readings}


def aside(entry: Entry) -> list[str]:
    return [fact.detail for fact in entry.facts if isinstance(fact, Quarantined)]


# Ready mappings

TASMOTA = {
    "Time": "2026-11-21T10:59:58",
    "ENERGY": {
        "TotalStartTime": "2025-01-07T10:46:28", "Total": 3.185, "Yesterday": 3.058, "Today": 0.127, "Period": 1,
        "Power": 3680, "ApparentPower": 3700, "ReactivePower": 385, "Factor": 0.99, "Voltage": 230,
        "Current": 16.087,
    },
}  # fmt: skip


def test_tasmota_energy_block_is_readings_in_base_units(tmp_path: Path) -> None:
    entry = read(ready(tmp_path, "tasmota", {"plug-7": "SE-1/2"}), "tele/plug-7/SENSOR", TASMOTA)
    assert (entry.station_id, measured(entry).connector_id, measured(entry).at) == ("SE-1", 2, T0)
    assert values(entry) == {
        "energy_wh": 3185, "power_w": 3680, "power_apparent_va": 3700, "power_reactive_var": 385,
        "power_factor": 0.99, "voltage_v": 230, "current_a": 16.087,
    }  # fmt: skip


def test_tasmota_time_is_used_when_the_operator_names_its_zone(tmp_path: Path) -> None:
    more = 'time = { path = "Time", timezone = "Europe/Stockholm" }'
    entry = read(ready(tmp_path, "tasmota", {"plug-7": "SE-1/2"}, more), "tele/plug-7/SENSOR", TASMOTA)
    assert measured(entry).at == at(-2)


def test_tasmota_three_phases_are_kept_apart_and_summed(tmp_path: Path) -> None:
    energy = {"Total": 10.5, "Power": [100, 200, 300], "Voltage": [230, 231, 232], "Current": [0.4, 0.9, 1.3]}
    found = values(
        read(ready(tmp_path, "tasmota", {"m": "SE-1"}), "tele/m/SENSOR", {"Time": "x", "ENERGY": energy})
    )
    assert found["power_w"] == 600
    assert (found["power_l1_w"], found["power_l3_w"], found["voltage_l2_v"]) == (100, 300, 231)
    assert "voltage_v" not in found


def test_tasmota_prefix_stands_in_front_of_the_usual_topic(tmp_path: Path) -> None:
    found = ready(tmp_path, "tasmota", {"m": "SE-1"}, 'prefix = "garage/"')
    assert "garage/tele/+/SENSOR" in found.topics
    assert values(read(found, "garage/tele/m/SENSOR", TASMOTA))["power_w"] == 3680


SHELLY_SWITCH = {
    "id": 0, "source": "WS_in", "output": True, "apower": 8.9, "voltage": 237.5, "freq": 50.0, "current": 0.099,
    "aenergy": {"total": 6.532, "by_minute": [45.199, 47.141, 88.397], "minute_ts": 1626935779},
    "temperature": {"tC": 23.5, "tF": 74.4},
}  # fmt: skip
SHELLY_EM = {
    "id": 0,
    "a_current": 4.029, "a_voltage": 236.1, "a_act_power": 951.2, "a_aprt_power": 951.9, "a_pf": 1, "a_freq": 50,
    "b_current": 4.027, "b_voltage": 236.2, "b_act_power": -951.1, "b_aprt_power": 951.8, "b_pf": 1, "b_freq": 50,
    "c_current": 3.03, "c_voltage": 236.402, "c_act_power": 715.4, "c_aprt_power": 716.2, "c_pf": 1, "c_freq": 50,
    "n_current": None, "total_current": 11.083, "total_act_power": 2484.782,
    "total_aprt_power": 2486.7, "user_calibrated_phase": [], "errors": ["phase_sequence"],
}  # fmt: skip
SHELLY_EMDATA = {
    "id": 0, "a_total_act_energy": 654.32, "a_total_act_ret_energy": 0, "b_total_act_energy": 600,
    "b_total_act_ret_energy": 0, "c_total_act_energy": 700.5, "c_total_act_ret_energy": 0,
    "total_act": 1954.82, "total_act_ret": 0,
}  # fmt: skip


def test_shelly_switch_of_the_second_generation(tmp_path: Path) -> None:
    found = ready(
        tmp_path, "shelly_gen2", {"shellypro4pm-f0/switch:0": "SE-1/1", "shellypro4pm-f0/switch:1": "SE-1/2"}
    )
    entry = read(found, "shellypro4pm-f0/status/switch:0", SHELLY_SWITCH)
    assert measured(entry).connector_id == 1
    assert values(entry) == {
        "power_w": 8.9, "voltage_v": 237.5, "current_a": 0.099, "frequency_hz": 50, "energy_wh": 6.532,
        "temperature_c": 23.5, "output_on": 1,
    }  # fmt: skip
    assert measured(read(found, "shellypro4pm-f0/status/switch:1", SHELLY_SWITCH)).connector_id == 2


def test_shelly_three_phase_meter_of_the_second_generation(tmp_path: Path) -> None:
    found = ready(tmp_path, "shelly_gen2", {"shellypro3em-a1": "SE-1"})
    power = values(read(found, "shellypro3em-a1/status/em:0", SHELLY_EM))
    assert power["power_w"] == 2484.782
    assert (power["power_l2_w"], power["voltage_l3_v"], power["current_l1_a"]) == (-951.1, 236.402, 4.029)
    assert "current_n_a" not in power  # null: nothing measures the neutral
    energy = values(read(found, "shellypro3em-a1/status/emdata:0", SHELLY_EMDATA))
    assert (energy["energy_wh"], energy["energy_l1_wh"]) == (1954.82, 654.32)


def test_shelly_single_phase_channel_of_the_second_generation(tmp_path: Path) -> None:
    found = ready(
        tmp_path, "shelly_gen2", {"shellyproem50-b/em1:1": "SE-1/2", "shellyproem50-b/em1data:1": "SE-1/2"}
    )
    payload = {"id": 1, "current": 2.598, "voltage": 234.9, "act_power": 501.8, "aprt_power": 612.4, "pf": 0.84,
               "freq": 50, "calibration": "factory"}  # fmt: skip
    assert values(read(found, "shellyproem50-b/status/em1:1", payload))["power_w"] == 501.8
    payload = {"id": 1, "total_act_energy": 2776175.11, "total_act_ret_energy": 571584.87}
    assert values(read(found, "shellyproem50-b/status/em1data:1", payload)) == {
        "energy_wh": 2776175.11, "energy_export_wh": 571584.87,
    }  # fmt: skip


def test_shelly_components_without_readings_are_passed_over(tmp_path: Path) -> None:
    found = ready(tmp_path, "shelly_gen2", {"shellyplus1pm-a": "SE-1/1"})
    assert found.read("shellyplus1pm-a/status/sys", b'{"uptime": 5}', T0) is None


@pytest.mark.parametrize(
    ("topic", "payload", "field", "value"),
    [
        ("shellies/shelly1pm-B1/relay/0/power", b"1450.25", "power_w", 1450.25),
        ("shellies/shelly1pm-B1/relay/0/energy", b"60000", "energy_wh", 1000.0),
        ("shellies/shelly1pm-B1/emeter/0/power", b"-3.2", "power_w", -3.2),
        ("shellies/shelly1pm-B1/emeter/0/voltage", b"229.91", "voltage_v", 229.91),
        ("shellies/shelly1pm-B1/emeter/0/total", b"1234567.8", "energy_wh", 1234567.8),
        ("shellies/shelly1pm-B1/emeter/0/total_returned", b"0.0", "energy_export_wh", 0.0),
        ("shellies/shelly1pm-B1/emeter/0/pf", b"0.98", "power_factor", 0.98),
    ],
)
def test_shelly_of_the_first_generation(
    tmp_path: Path, topic: str, payload: bytes, field: str, value: float
) -> None:
    found = ready(tmp_path, "shelly_gen1", {"shelly1pm-B1/0": "SE-1/1"})
    assert values(read(found, topic, payload)) == {field: value}
    assert found.read("shellies/shelly1pm-B1/relay/0/overpower_value", b"0", T0) is None


def test_shelly_channels_of_a_3em_are_phases_also_beside_other_shellies(tmp_path: Path) -> None:
    found = reader(
        tmp_path,
        '[[mappings]]\nuse = "shelly_gen1"\ndevices = { "shellyem-1/0" = "SE-1/1" }\n'
        '[[mappings]]\nuse = "shelly_3em"\ndevices = { "shellyem3-2" = "SE-2" }\n',
    )
    assert values(read(found, "shellies/shellyem3-2/emeter/2/power", b"733.1")) == {"power_l3_w": 733.1}
    assert values(read(found, "shellies/shellyem-1/emeter/0/power", b"17")) == {"power_w": 17}
    (detail,) = aside(read(found, "shellies/shellyem-9/emeter/0/power", b"17"))
    assert "shellyem-9" in detail


def test_meter_with_obis_codes(tmp_path: Path) -> None:
    found = ready(tmp_path, "obis_meter", {"735999": "SE-1"}, 'topic = "ami/{device}/reading"')
    payload = {
        "1-0:1.8.0": 12345.678, "1-0:2.8.0*255": 0.5, "1.7.0": 3.21, "1-0:32.7.0": {"value": 231.2},
        "1-0:31.7.0": "013.9*A", "1-0:21.7.0": "01.190*kW", "1-0:3.8.0": "000012.500*kvarh",
        "0-0:96.1.0": "735999",
    }  # fmt: skip
    assert values(read(found, "ami/735999/reading", payload)) == {
        "energy_wh": 12345678, "energy_export_wh": 500, "power_w": 3210, "voltage_l1_v": 231.2,
        "current_l1_a": 13.9, "power_l1_w": 1190, "energy_reactive_varh": 12500,
    }  # fmt: skip


def test_obis_text_with_a_unit_that_does_not_fit_is_set_aside(tmp_path: Path) -> None:
    found = ready(tmp_path, "obis_meter", {"m": "SE-1"})
    entry = read(found, "meters/m", {"1-0:1.8.0": "5*V", "1-0:1.7.0": "900*W"})
    good, bad = entry.facts
    assert isinstance(good, Measured)
    assert good.readings[0].value == 900  # the meter's own unit goes before the mapping's
    assert isinstance(bad, Quarantined)
    assert "another unit" in bad.detail


# Sparkplug B

SPARKPLUG = """
[[mappings]]
use = "sparkplug_b"
devices = { "plant/edge-1/meter-3" = "SE-1/1", "plant/edge-1" = "SE-1" }
[[mappings.fields]]
field = "power_w"
metric = ["Meter/Power", "Inputs/Power"]
unit = "kW"
[[mappings.fields]]
field = "temperature_c"
metric = "Cabinet/Temperature"
"""


def sparkplug(*metrics: dict[str, Any], stamp: int = 1795255199000) -> bytes:
    payload = Payload(timestamp=stamp)
    for metric in metrics:
        payload.metrics.add(**metric)
    return bytes(payload.SerializeToString())


def test_sparkplug_names_and_times_of_metrics(tmp_path: Path) -> None:
    payload = sparkplug(
        {"name": "Meter/Power", "datatype": 10, "double_value": 10.95, "timestamp": 1795255198000},
        {"name": "Meter/Serial", "datatype": 12, "string_value": "A-1"},
    )
    entry = read(reader(tmp_path, SPARKPLUG), "spBv1.0/plant/DDATA/edge-1/meter-3", payload)
    assert values(entry) == {"power_w": 10950}
    assert measured(entry).at == at(-2)
    assert raw_bytes(entry.raw) == payload


def test_sparkplug_alias_is_known_after_the_birth(tmp_path: Path) -> None:
    found = reader(tmp_path, SPARKPLUG)
    data = sparkplug({"alias": 7, "datatype": 9, "float_value": 2.5})
    (detail,) = aside(read(found, "spBv1.0/plant/DDATA/edge-1/meter-3", data))
    assert "birth certificate" in detail
    birth = sparkplug({"name": "Meter/Power", "alias": 7, "datatype": 9, "float_value": 1.5})
    assert values(read(found, "spBv1.0/plant/DBIRTH/edge-1/meter-3", birth)) == {"power_w": 1500}
    assert values(read(found, "spBv1.0/plant/DDATA/edge-1/meter-3", data)) == {"power_w": 2500}
    read(found, "spBv1.0/plant/NBIRTH/edge-1", sparkplug({"name": "bdSeq", "datatype": 8, "long_value": 1}))
    assert aside(read(found, "spBv1.0/plant/DDATA/edge-1/meter-3", data))  # a new birth gives aliases anew


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ({"datatype": 3, "int_value": 0xFFFFFFFB}, -5),
        ({"datatype": 1, "int_value": 0xFB}, -5),
        ({"datatype": 4, "long_value": 2**64 - 5}, -5),
        ({"datatype": 7, "int_value": 0xFFFFFFFB}, 0xFFFFFFFB),
        ({"datatype": 11, "boolean_value": True}, 1),
        ({"datatype": 12, "string_value": "21.5"}, 21.5),
    ],
)
def test_sparkplug_values_of_each_type(tmp_path: Path, metric: dict[str, Any], value: float) -> None:
    payload = sparkplug({"name": "Cabinet/Temperature", **metric})
    entry = read(reader(tmp_path, SPARKPLUG), "spBv1.0/plant/NDATA/edge-1", payload)
    assert values(entry) == {"temperature_c": value}


def test_sparkplug_commands_deaths_and_other_metrics_say_nothing(tmp_path: Path) -> None:
    found = reader(tmp_path, SPARKPLUG)
    assert found.read("spBv1.0/plant/NCMD/edge-1", b"", T0) is None
    null = sparkplug({"name": "Meter/Power", "datatype": 10, "is_null": True})
    assert read(found, "spBv1.0/plant/DDATA/edge-1/meter-3", null).facts == ()


# Mappings of one's own

OWN = """
[[mappings]]
topic = "plant/{station}/{connector}/+/values/#"
time = { path = "at", format = "epoch_ms" }
[[mappings.fields]]
field = "plug_temperature_c"
path = "sensors[1].t"
unit = "Fahrenheit"
[[mappings.fields]]
field = "energy_wh"
path = '"a.b".register'
scale = 10
offset = 3
unit = "kWh"
"""


def test_own_mapping_takes_station_and_connector_from_the_topic(tmp_path: Path) -> None:
    found = reader(tmp_path, OWN)
    assert found.topics[-1] == "plant/+/+/+/values/#"
    payload = {"at": 1795255199500, "sensors": [{"t": 1}, {"t": 212}], "a.b": {"register": 2}}
    entry = read(found, "plant/SE-9/3/x/values/y/z", payload)
    assert (entry.station_id, measured(entry).connector_id) == ("SE-9", 3)
    assert values(entry) == {"plug_temperature_c": 100, "energy_wh": 23000}
    assert measured(entry).at == at(-0.5)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"{", "not JSON"),
        (b"[]", "none of its fields"),
        (b'{"a.b": {"register": "many"}}', "not a number"),
        (b'{"a.b": {"register": ' + b"9" * 400 + b"}}", "not a number in range"),
        (b'{"a.b": {"register": 1}, "at": "noon"}', "not epoch_ms"),
    ],
)
def test_what_cannot_be_read_is_quarantined_with_its_reason(tmp_path: Path, payload: bytes, problem: str) -> None:
    entry = read(reader(tmp_path, OWN), "plant/SE-9/3/x/values", payload)
    assert entry.station_id == "SE-9"
    (detail,) = aside(entry)
    assert problem in detail


@pytest.mark.parametrize("topic", ["plant/SE-9/three/x/values", "plant//3/x/values"])
def test_topic_without_station_or_connector_is_quarantined(tmp_path: Path, topic: str) -> None:
    entry = read(reader(tmp_path, OWN), topic, b'{"a.b": {"register": 1}}')
    (fact,) = entry.facts
    assert isinstance(fact, Quarantined)
    assert fact.reason is QuarantineReason.UNKNOWN_STATION


def test_csv_columns_of_the_last_line(tmp_path: Path) -> None:
    found = reader(
        tmp_path,
        """
[[mappings]]
topic = "logger"
payload = "csv"
separator = ";"
station = "SE-1"
connector = 2
time = { column = 1, format = "epoch_s" }
fields = [{ field = "power_w", column = 3, unit = "kW" }, { field = "voltage_v", column = 9 }]
""",
    )
    entry = read(found, "logger", b"time;name;power\r\n1795255190; x ; 3.5 \r\n")
    assert values(entry) == {"power_w": 3500}
    assert (measured(entry).at, measured(entry).connector_id) == (at(-10), 2)
    assert aside(read(found, "logger", b'1;"'))


def test_unknown_device_is_quarantined_or_ignored_as_the_operator_says(tmp_path: Path) -> None:
    entry = read(ready(tmp_path, "tasmota", {"a": "SE-1"}), "tele/b/SENSOR", TASMOTA)
    (fact,) = entry.facts
    assert isinstance(fact, Quarantined)
    assert (entry.station_id, fact.reason) == ("mqtt", QuarantineReason.UNKNOWN_STATION)
    lenient = ready(tmp_path, "tasmota", {"a": "SE-1"}, 'unknown_devices = "ignore"')
    assert lenient.read("tele/b/SENSOR", b"{}", T0) is None


def test_native_topics_go_on_and_topics_of_no_mapping_are_quarantined(tmp_path: Path) -> None:
    found = reader(tmp_path, OWN)
    assert values(read(found, "laddvakt/SE-1/1/meter", {"power_w": 1})) == {"power_w": 1}
    assert "in a mapping" in aside(read(found, "elsewhere", b"1"))[0]


def test_retained_message_without_a_time_is_not_used(tmp_path: Path) -> None:
    found = ready(tmp_path, "tasmota", {"m": "SE-1"}, 'time = { path = "Time", timezone = "Europe/Stockholm" }')
    dated = found.read("tele/m/SENSOR", json.dumps(TASMOTA).encode(), T0, retained=True)
    undated = found.read("tele/m/SENSOR", b'{"ENERGY": {"Power": 1}}', T0, retained=True)
    assert dated is not None
    assert undated is not None
    assert measured(dated).at == at(-2)
    assert [type(fact) for fact in undated.facts] == [NonConforming]


def test_replay_uses_the_mappings_and_binary_payloads_survive_the_log(tmp_path: Path) -> None:
    collector = ReplayCollector(RecordedAnswers(), load(tmp_path, SPARKPLUG))
    payload = sparkplug({"name": "Meter/Power", "datatype": 10, "double_value": 1.5})
    topic = "spBv1.0/plant/DDATA/edge-1/meter-3"
    (entry,) = collector.entries_of(
        1, LogLine(received_at=T0, kind="mqtt", topic=topic, payload=raw_text(payload))
    )
    assert values(entry) == {"power_w": 1500}


# Files


def test_every_ready_mapping_is_listed() -> None:
    assert ready_names() == ("obis_meter", "shelly_3em", "shelly_gen1", "shelly_gen2", "sparkplug_b", "tasmota")


FAULTS = {
    'bogus = 1\n': ["unknown table bogus"],
    'mappings = 1\n': ["mappings is not a list of tables"],
    '[[mappings]]\nuse = "tasmoto"\n': ["no ready mapping 'tasmoto'", "tasmota"],
    '[[mappings]]\nuse = "tasmota"\npayload = "csv"\n': ["payload stands beside use", "whose readings"],
    '[[mappings]]\nuse = "shelly_gen1"\nstation = "S"\ntopic = "x"\n': ["topic stands beside use"],
    '[[mappings]]\nprefix = "x/"\n': ["prefix stands without use", "topic is missing"],
    '[[mappings]]\ntopic = "a/#/b"\n': ["# is not the last level"],
    '[[mappings]]\ntopic = "a/{x}b"\n': ["level '{x}b' is not one"],
    '[[mappings]]\ntopic = "{x}/{x}"\n': ["{x} stands twice"],
    '[[mappings]]\ntopic = "a"\nfeilds = []\n': ["unknown key feilds. Did you mean fields?"],
    '[[mappings]]\ntopic = "a"\nstation = "S"\n': ["fields is missing"],
    '[[mappings]]\ntopic = "a"\nstation = "S"\nseparator = ";"\n': ["separator is not for this payload"],
    '[[mappings]]\ntopic = "a"\nstation = "S"\npayload = "sparkplug_b"\n': ["group, type, node are needed"],
    '[[mappings]]\ntopic = "a/{x}"\nstation = "{y}"\nconnector = "one"\ndevice = "{z}"\nwhen = { w = "1" }\n': [
        "station: the topic has no part {y}", "connector: 'one' is not a number",
        "device: the topic has no part {z}", "when: the topic has no part w", "It has x.",
    ],
    '[[mappings]]\ntopic = "a"\ndevices = { x = "S/y", z = { station = "S", conector = 1 } }\n': [
        "devices.x: 'S/y' is not a connector", "unknown key devices.z.conector. Did you mean connector?",
    ],
    '[[mappings]]\ntopic = "a"\nstation = "S"\ntime = { path = "t", format = "epoch_s", timezone = "UTC" }\n': [
        "time.timezone is for the format iso alone",
    ],
    '[[mappings]]\ntopic = "a"\nstation = "S"\n[[mappings.fields]]\nfield = "power_w"\nunit = "kWh"\n'
    "column = 1\n": [
        "field: 'power_w' does not fit the unit kWh. Let it end in _wh", "column is not for the payload json",
        "path is missing", ":4: mappings[0] (a) fields[0]",
    ],
    '[[mappings]]\ntopic = "a"\nstation = "S"\nfields = [{ field = "Power", path = "a..b" }]\n': [
        "'Power' is not a field",
    ],
    '[[mappings]]\ntopic = "a"\nstation = "S"\nfields = [{ field = "power_w", path = "a..b", unit = "HP" }]\n': [
        "'a..b' is not a path", "unit: 'HP' is not known",
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", FAULTS)
def test_fault_is_told_with_file_mapping_key_and_mend(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    told = str(caught.value)
    assert str(tmp_path / "mappings.toml") in told
    assert [part for part in FAULTS[text] if part not in told] == []


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text('[[mappings]]\nuse = "no"\n[[mappings]]\nuse = "none"\n', "utf-8")
    second.write_text("= broken", "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_mappings([first, second, tmp_path / "missing.toml"])
    told = str(caught.value)
    assert all(part in told for part in ("mappings[0] (no)", "mappings[1] (none)", "b.toml", "missing.toml"))


# Whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
TOPICS = st.sampled_from(
    [
        "tele/d/SENSOR", "d/status/switch:0", "d/status/em:0", "shellies/d/relay/0/power", "meters/d", "logger",
        "shellies/d/emeter/1/total", "spBv1.0/g/DDATA/n/d", "spBv1.0/g/NBIRTH/n", "laddvakt/S/1/meter",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    devices = '[mappings.devices]\n"d" = "SE-1/1"\n"g/n/d" = "SE-1"\n"g/n" = "SE-1"\n'
    metric = '[[mappings.fields]]\nfield = "power_w"\nmetric = "P"\nunit = "kW"\n'
    text = "".join(
        f'[[mappings]]\nuse = "{name}"\n'
        + ('time = { path = "t" }\n' if name in ("tasmota", "obis_meter") else "")
        + devices
        + (metric if name == "sparkplug_b" else "")
        for name in ready_names()
    )
    text += '[[mappings]]\ntopic = "logger"\npayload = "csv"\nstation = "S"\n'
    text += 'time = { column = 2, format = "epoch_ms" }\n'
    text += 'fields = [{ field = "power_w", column = 1 }]\n'
    return reader(tmp_path_factory.mktemp("mappings"), text)


@given(
    TOPICS | st.text(max_size=60),
    st.binary(max_size=200)
    | st.text(max_size=60).map(str.encode)
    | JSON.map(lambda data: json.dumps(data).encode())
    | st.fixed_dictionaries({"ENERGY": JSON, "t": JSON, "apower": JSON, "1-0:1.8.0": JSON}).map(
        lambda data: json.dumps(data).encode()
    )
    | st.builds(lambda name, value: sparkplug({"name": name, "double_value": value}), st.text(), st.floats()),
)
def test_any_message_gets_an_entry_or_is_passed_over(everything: Reader, topic: str, payload: bytes) -> None:
    entry = everything.read(topic, payload, T0)
    assert entry is None or (entry.received_at == T0 and raw_bytes(entry.raw) == payload)


@given(st.binary(max_size=100))
def test_payload_is_kept_whole(payload: bytes) -> None:
    assert raw_bytes(raw_text(payload)) == payload


@given(st.text(max_size=40), JSON)
def test_any_path_is_read_or_refused_and_finds_a_value_or_nothing(text: str, data: Any) -> None:
    try:
        path = parse_path(text)
    except ValueError as error:
        assert ". " in str(error)
        return
    assert not isinstance(find(data, path), dict | list)


@given(
    st.lists(st.sampled_from(["a", "+", "#", "{x}", "{y}", "", "{", "a#"]), max_size=5).map("/".join), st.text()
)
def test_any_pattern_is_read_or_refused(text: str, topic: str) -> None:
    try:
        pattern = TopicPattern.parse(text)
    except ValueError as error:
        assert ". " in str(error)
        return
    parts = pattern.match(topic)
    assert parts is None or set(parts) <= set(pattern.names)


KEYS = st.sampled_from(
    [
        "use",
        "topic",
        "payload",
        "device",
        "devices",
        "station",
        "connector",
        "time",
        "fields",
        "when",
        "separator",
        "x",
    ]
)
WORDS = st.sampled_from(
    ["tasmota", "sparkplug_b", "json", "csv", "a/{d}", "{d}", "SE-1", "SE-1/1", ";", "a/{station}"]
)
VALUES = st.recursive(
    WORDS | st.integers() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["field", "path", "unit", "station", "format", "timezone", "d", "column", "metric"]),
            inner, max_size=3,
        )
    ),
    max_leaves=6,
)  # fmt: skip


@given(st.binary(max_size=60) | st.lists(st.dictionaries(KEYS, VALUES, max_size=6), max_size=3))
def test_any_file_loads_or_says_what_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content if isinstance(content, bytes) else _toml(content).encode())
    try:
        Reader(load_mappings([path])).read("a/d", b"1", T0)
    except SettingsError as error:
        assert str(path) in error.message


def _toml(rows: list[dict[str, Any]]) -> str:
    text = "".join("[[mappings]]\n" + "".join(f"{key} = {_inline(row[key])}\n" for key in row) for row in rows)
    tomllib.loads(text)
    return text


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
