"""Sparkplug B payloads, and the aliases that stand for metric names after a birth certificate.

Source: Sparkplug Specification 3.0.0 section 6.4 (payload, proto2) and 6.4.7 (aliases are unique per edge node).
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from collector.mqtt.places import Found, Lookup, Place
from collector.mqtt.topics import Parts
from laddvakt.domain.errors import PayloadError

MAX_NODES = 2_000
MAX_ALIASES = 5_000  # of one node
PARTS = ("group", "type", "node")  # that a topic pattern for this payload must name

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}  # DataType Int8, Int16, Int32, Int64 -> bits; two's complement on the wire
_FIELD = descriptor_pb2.FieldDescriptorProto

# The part of the official schema that readings need; other fields are passed over by protobuf itself.
_PAYLOAD = {"timestamp": (1, _FIELD.TYPE_UINT64)}
_METRIC = {
    "name": (1, _FIELD.TYPE_STRING),
    "alias": (2, _FIELD.TYPE_UINT64),
    "timestamp": (3, _FIELD.TYPE_UINT64),
    "datatype": (4, _FIELD.TYPE_UINT32),
    "is_null": (7, _FIELD.TYPE_BOOL),
    "int_value": (10, _FIELD.TYPE_UINT32),
    "long_value": (11, _FIELD.TYPE_UINT64),
    "float_value": (12, _FIELD.TYPE_FLOAT),
    "double_value": (13, _FIELD.TYPE_DOUBLE),
    "boolean_value": (14, _FIELD.TYPE_BOOL),
    "string_value": (15, _FIELD.TYPE_STRING),
}
_VALUES = tuple(name for name in _METRIC if name.endswith("_value"))


def _message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="laddvakt/sparkplug_b.proto", package="laddvakt", syntax="proto2"
    )
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    for message, fields in ((payload, _PAYLOAD), (metric, _METRIC)):
        for name, (number, kind) in fields.items():
            message.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics",
        number=2,
        type=_FIELD.TYPE_MESSAGE,
        label=_FIELD.LABEL_REPEATED,
        type_name=".laddvakt.Payload.Metric",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("laddvakt.Payload"))


Payload = _message_class()
"""The protobuf class; tests and tools make payloads with it."""


class Metric(NamedTuple):
    """`name` is empty where only the alias was sent; `value` None where it is null or of a kind not read."""

    name: str
    alias: int | None
    value: Any
    said: datetime | None


def _time(milliseconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds) if milliseconds else None
    except OverflowError:
        return None


def _value(metric: Any) -> Any:
    if metric.is_null:
        return None
    name = next((name for name in _VALUES if metric.HasField(name)), None)
    if name is None:
        return None
    value = getattr(metric, name)
    bits = _SIGNED.get(metric.datatype)
    if bits and name in ("int_value", "long_value"):
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value
    return value


def decode(payload: bytes) -> list[Metric]:
    """The metrics of a payload. Raises PayloadError."""
    try:
        message = Payload.FromString(payload)
    except (DecodeError, UnicodeError, RecursionError) as error:
        raise PayloadError("not a Sparkplug B payload") from error
    sent = _time(message.timestamp)
    return [
        Metric(
            name=metric.name,
            alias=metric.alias if metric.HasField("alias") else None,
            value=_value(metric),
            said=_time(metric.timestamp) or sent,
        )
        for metric in message.metrics
    ]


class Aliases:
    """Names that birth certificates gave to aliases; the node heard of longest ago is forgotten first."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[tuple[str, str], dict[int, str]] = OrderedDict()

    def lookup(self, payload: bytes, parts: Parts) -> tuple[Lookup, list[str]]:
        """Values by metric name, and what could not be named. Raises PayloadError."""
        metrics = decode(payload)
        known = self._learn(metrics, parts)
        found: dict[str, Found] = {}
        nameless = 0
        for metric in metrics:
            name = metric.name or known.get(metric.alias if metric.alias is not None else -1, "")
            nameless += not name
            if name and metric.value is not None:
                found[name] = Found(metric.value, metric.said)
        problems = (
            [f"{nameless} metrics have an alias that no birth certificate has named yet"] if nameless else []
        )

        def look(place: Place) -> Found | None:
            return found.get(place) if isinstance(place, str) else None

        return look, problems

    def _learn(self, metrics: list[Metric], parts: Parts) -> dict[int, str]:
        key = (parts["group"], parts["node"])
        if parts["type"] == "NBIRTH":
            self._nodes.pop(key, None)  # all aliases of the node and its devices are given anew
        named = {m.alias: m.name for m in metrics if m.name and m.alias is not None}
        known = self._nodes.get(key, {})
        if named:
            known = {**known, **named} if len(known) + len(named) <= MAX_ALIASES else known
            self._nodes[key] = known
            self._nodes.move_to_end(key)
            while len(self._nodes) > MAX_NODES:
                self._nodes.popitem(last=False)
        return known
