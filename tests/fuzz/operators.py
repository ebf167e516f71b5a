"""Devices' messages, prices, and files that operators write."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Hashable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from collector.mqtt.mapping_file import load_mappings, ready_names
from collector.mqtt.mappings import Mapping, Reader
from collector.mqtt.sparkplug import Payload
from collector.points import PointMaker
from laddvakt.billing import parse_tariff, price_cdr
from laddvakt.billing.charge import Charge
from laddvakt.billing.pricing import price
from laddvakt.domain.entries import decode_batch, encode_entry, join_entries
from laddvakt.domain.errors import SettingsError, TariffError
from tests.fuzz.recorded import (
    ROOT,
    TARIFF,
    no_fault_of_ours,
    signs_of,
)
from tests.fuzz.target import JSON, Form, Run, Seed, UnhandledError
from tests.support.stations import T0

# MQTT: the topic, a line feed, the payload


def _readers() -> list[tuple[Mapping, ...]]:
    """Native topics alone, each ready mapping, and the documentation's example."""
    found: list[tuple[Mapping, ...]] = [()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.toml"
        for name in ready_names():
            path.write_text(f'[[mappings]]\nuse = "{name}"\n[mappings.devices]\n"x" = "SE-1/1"\n', "utf-8")
            try:
                found.append(load_mappings([path]))
            except SettingsError:
                continue
    return [*found, load_mappings([ROOT / "docs/examples/mappings.toml"])]


_TOPICS = (
    *("laddvakt/SE-1/1/meter", "laddvakt/SE-1/telemetry", "tele/x/SENSOR", "x/status/em:0", "x/events/rpc"),
    *("shellies/x/emeter/0/power", "shellies/x/relay/0/energy", "spBv1.0/g/NBIRTH/x", "spBv1.0/g/DDATA/x/x"),
    *("meters/x", "meters/x/1.8.0", "x"),
)


def _mqtt_payloads() -> Iterator[bytes]:
    yield b'{"energy_wh": 1234.5, "power_w": 3680, "ts": "2026-11-21T10:00:00Z"}'
    yield b'{"Time": "2026-11-21T10:59:58", "ENERGY": {"Total": 3.185, "Power": 3680, "Current": 16.0}}'
    yield b'{"id": 0, "a_current": 4.0, "a_voltage": 236.1, "a_act_power": 951.2, "total_act_power": 2484.7}'
    yield b'{"src": "x", "params": {"ts": 1763719200.5, "em:0": {"a_act_power": 1.5}, "emdata:0": {}}}'
    yield b'{"1.8.0": {"value": 12345.678, "unit": "kWh"}, "16.7.0": "3.2*kW", "timestamp": 1763719200}'
    yield from (b"12345.678", b"1;2;3\n4;5;6", b"on")
    payload = Payload(timestamp=1763719200000)
    for number, name in enumerate(("Energy/Import", "Power", "bdSeq", "Node Control/Rebirth")):
        payload.metrics.add(name=name, alias=number, datatype=9, double_value=1.5 * number)
    payload.metrics.add(alias=1, datatype=3, int_value=4_294_967_295)
    yield payload.SerializeToString()


def _message(tree: Any) -> bytes:
    topic, payload = tree
    return str(topic).encode("utf-8", "replace") + b"\n" + JSON.dump(payload)


def _tree(data: bytes) -> Any:
    topic, _, payload = data.partition(b"\n")
    return [topic.decode(), JSON.load(payload)]


MESSAGE = Form(_message, _tree)
"""A message whose payload is JSON; others are damaged byte by byte only."""


def mqtt_seeds() -> list[Seed]:
    payloads = list(_mqtt_payloads())
    return [
        Seed(variant, topic.encode() + b"\n" + payload)
        for variant in range(len(_readers()))
        for topic in _TOPICS
        for payload in payloads
    ]


def mqtt() -> Run:
    mappings = _readers()

    def run(variant: int, data: bytes) -> Hashable:
        topic, _, payload = data.partition(b"\n")
        reader = Reader(mappings[variant % len(mappings)])
        signs: list[Any] = [variant]
        for name in (topic.decode("utf-8", "replace"), topic.decode("utf-8", "replace").replace("BIRTH", "DATA")):
            entry = reader.read(name, payload, T0, retained=len(payload) % 2 == 0)
            if entry is None:
                continue
            no_fault_of_ours(entry.facts)
            if decode_batch(join_entries([encode_entry(entry)])) != (entry,):
                raise UnhandledError("the log gives back another entry than it was given")
            PointMaker().points([entry])
            fields = {(r.field, r.location) for fact in entry.facts for r in getattr(fact, "readings", ())}
            signs.append((signs_of(entry.facts), tuple(sorted(fields))))
        return tuple(signs)

    return run


# Prices

_CDR = {
    "start_date_time": "2026-11-21T10:00:00Z",
    "end_date_time": "2026-11-21T12:30:00Z",
    "currency": "SEK",
    "total_energy": 15.342,
    "charging_periods": [
        {
            "start_date_time": "2026-11-21T10:00:00Z",
            "dimensions": [{"type": "TIME", "volume": 1.973}, {"type": "ENERGY", "volume": 15.342}],
        }
    ],
}


def price_seeds() -> list[Seed]:
    other = json.loads((ROOT / "docs/examples/tariff-dc.json").read_text("utf-8"))
    return [Seed(0, json.dumps({"tariff": one, "cdr": _CDR}).encode()) for one in (TARIFF, other)]


def prices() -> Run:
    def run(_: int, data: bytes) -> Hashable:
        try:
            given = json.loads(data)
        except (ValueError, RecursionError):
            return "no JSON"
        if not (
            isinstance(given, dict)
            and isinstance(given.get("tariff"), dict)
            and isinstance(given.get("cdr"), dict)
        ):
            return "no objects"
        try:
            tariff = parse_tariff(given["tariff"])
        except TariffError as error:
            return error.message.split(" ", 1)[0]
        former = price(tariff, Charge(started_at=T0, until=T0, energy_wh=0)).incl_vat.amount
        for hours in (1, 30):
            charge = Charge(
                started_at=T0, until=T0 + timedelta(hours=hours), energy_wh=hours * 11_000, final=hours > 1
            )
            cost = price(tariff, charge)
            if cost.incl_vat.amount < former or cost.excl_vat.amount + cost.vat.amount != cost.incl_vat.amount:
                raise UnhandledError(f"{cost.excl_vat} and {cost.vat} after {former}")
            former = cost.incl_vat.amount
        try:
            total = price_cdr(tariff, given["cdr"])["total_cost"]
        except TariffError as error:
            return error.message.split(" ", 1)[0]
        return len(tariff.components), total["incl_vat"] > total["excl_vat"]

    return run


# Files that operators write


def file_of(read: Callable[[Path], Any], declared: type[Exception]) -> Callable[[], Run]:
    def prepared() -> Run:
        path = Path(tempfile.gettempdir()) / f"laddvakt-{os.getpid()}-fuzz.toml"

        def run(_: int, data: bytes) -> Hashable:
            path.write_bytes(data)
            try:
                read(path)
            except declared as error:
                return str(error).partition("fuzz.toml")[2][:60]
            finally:
                path.unlink()
            return "read"

        return run

    return prepared


def example_of(name: str) -> Callable[[], list[Seed]]:
    """The documentation's example, whole and in its tables."""

    def seeds() -> list[Seed]:
        text = (ROOT / "docs/examples" / name).read_text("utf-8")
        tables = [f"[[{part}" for part in text.split("\n[[")[1:]]
        return [Seed(0, one.encode()) for one in (text, *tables, "".join(tables[:3]), "".join(tables[2:5]))]

    return seeds
