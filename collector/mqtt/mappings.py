"""Devices' own topics and payloads into facts, by the operator's mappings. Pure but for the memory of Sparkplug's
aliases; no payload makes it raise.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from collector.mqtt.facts import UNKNOWN_DEVICE, Value, as_float, entry_of, facts_of, quarantined, without_stale
from collector.mqtt.native import TOPICS, read_message, read_native
from collector.mqtt.places import Lookup, Place, csv_lookup, json_lookup, number_lookup, number_of
from collector.mqtt.sparkplug import Aliases
from collector.mqtt.topics import EVERY, Parts, TopicPattern, When, fill
from laddvakt.domain.entries import Entry
from laddvakt.domain.errors import PayloadError
from laddvakt.domain.facts import Fact, QuarantineReason
from laddvakt.domain.readings import Unit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PayloadKind(StrEnum):
    """How a payload is read."""

    JSON = "json"  # values by path
    NUMBER = "number"  # the payload is the value
    CSV = "csv"  # values by column, of the last line
    SPARKPLUG_B = "sparkplug_b"  # values by metric name


class TimeFormat(StrEnum):
    """How a device writes its time."""

    ISO = "iso"  # ISO 8601
    EPOCH_S = "epoch_s"  # seconds since 1970, UTC
    EPOCH_MS = "epoch_ms"  # milliseconds since 1970, UTC


class Unknown(StrEnum):
    """What becomes of a device that the table does not have."""

    QUARANTINE = "quarantine"  # kept and shown
    IGNORE = "ignore"  # not kept


class Owner(NamedTuple):
    """Whose readings they are; connector None leaves it to the mapping."""

    station_id: str
    connector_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class FieldRule:
    """A value and the telemetry field it becomes: (value * scale + offset), then from `unit` to the base unit."""

    field: str
    places: tuple[Place, ...]  # the first that holds a value counts
    unit: Unit | None = None
    scale: float = 1.0
    offset: float = 0.0
    when: When = EVERY


@dataclass(frozen=True, kw_only=True)
class TimeRule:
    """Where the device's time stands. `zone` is for times without one; UTC where it is None."""

    place: Place
    format: TimeFormat
    zone: ZoneInfo | None = None


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """One topic pattern and what its payloads mean. Templates such as `{node}/{device}` take parts of it."""

    name: str
    topic: TopicPattern
    payload: PayloadKind
    fields: tuple[FieldRule, ...]
    when: When = EVERY
    separator: str = ","
    station: str = ""
    connector: str = "0"
    device: tuple[str, ...] = ()  # keys of `devices`, tried in turn
    devices: Table[str, Owner] = field(default_factory=dict)
    unknown_devices: Unknown = Unknown.QUARANTINE
    time: TimeRule | None = None


def _owner(mapping: Mapping, parts: Parts) -> tuple[str, int] | str:
    """Station and connector of a topic, or what is wrong with it."""
    keys = [fill(template, parts) for template in mapping.device]
    known = next((mapping.devices[key] for key in keys if key in mapping.devices), None)
    if known is None and mapping.devices:
        return f"device {keys[-1][:100]!r} is not in the devices of {mapping.name}"
    station_id = known.station_id if known else fill(mapping.station, parts)
    if known and known.connector_id is not None:
        return station_id, known.connector_id
    number = fill(mapping.connector, parts)
    if not station_id or not (number.isascii() and number.isdigit() and len(number) <= 4):
        return f"{mapping.name} finds no station or connector in the topic: {station_id[:60]!r}, {number[:60]!r}"
    return station_id, int(number)


def _said(rule: TimeRule | None, look: Lookup, problems: list[str]) -> datetime | None:
    found = look(rule.place) if rule else None
    if rule is None or found is None:
        return None
    try:
        return _time(rule, found.value)
    except (ValueError, OverflowError):
        problems.append(f"time: {str(found.value)[:60]!r} is not {rule.format}; the time of receipt is used")
        return None


def _time(rule: TimeRule, value: object) -> datetime:
    """Raises ValueError or OverflowError for what is not a time."""
    if rule.format is TimeFormat.ISO:
        if not isinstance(value, str):
            raise ValueError("not text")
        read = datetime.fromisoformat(value.strip())
        return (read if read.tzinfo else read.replace(tzinfo=rule.zone or UTC)).astimezone(UTC)
    number = as_float(float(value) if isinstance(value, str) else value)
    if number is None:
        raise ValueError("not a number")
    return _EPOCH + timedelta(**{"seconds" if rule.format is TimeFormat.EPOCH_S else "milliseconds": number})


def _value(rule: FieldRule, look: Lookup, said: datetime | None) -> Value | str | None:
    """The converted value, what is wrong with it, or None where the message does not have it."""
    found = next((found for place in rule.places if (found := look(place)) is not None), None)
    if found is None:
        return None
    number = number_of(found.value, rule.field, rule.unit)
    if isinstance(number, str):
        return number
    value = number[0] * rule.scale + rule.offset
    if number[1] is not None:
        value = value * number[1].factor + number[1].offset
    return Value(rule.field, value, found.said or said)


class Reader:
    """Reads the messages of one subscription. `topics` are what to subscribe to."""

    def __init__(self, mappings: Sequence[Mapping] = ()) -> None:
        self._mappings = tuple(mappings)
        self._aliases = Aliases()
        self.topics = tuple(dict.fromkeys([*TOPICS, *(mapping.topic.filter for mapping in mappings)]))

    def read(self, topic: str, payload: bytes, received_at: datetime, *, retained: bool = False) -> Entry | None:
        """The entry of one message; None for one that a mapping says to pass over. Never raises: what cannot be
        read is quarantined in the entry. The first mapping that fits and knows the device counts.
        `retained`: the broker kept it for new subscribers, of whom we are one."""
        entry = self._read(topic, payload, received_at)
        return without_stale(entry) if entry is not None and retained else entry

    def _read(self, topic: str, payload: bytes, received_at: datetime) -> Entry | None:
        entry = read_native(topic, payload, received_at)
        if entry is not None:
            return entry
        matched, nobodys = False, ""
        for mapping in self._mappings:
            parts = mapping.topic.match(topic)
            matched = matched or parts is not None
            rules = _rules(mapping, parts)
            if parts is None or not rules:
                continue
            look = self._lookup(mapping, parts, payload)
            owner = _owner(mapping, parts)
            if not isinstance(owner, str):
                facts = _facts(mapping, rules, look, owner[1], received_at)
                return entry_of(owner[0], topic, payload, received_at, facts)
            nobodys = nobodys if mapping.unknown_devices is Unknown.IGNORE else nobodys or owner
        if nobodys:
            unknown = quarantined(received_at, nobodys, QuarantineReason.UNKNOWN_STATION)
            return entry_of(UNKNOWN_DEVICE, topic, payload, received_at, (unknown,))
        return None if matched else read_message(topic, payload, received_at)

    def _lookup(self, mapping: Mapping, parts: Parts, payload: bytes) -> tuple[Lookup, list[str]]:
        """Values by place, and what was wrong with the payload. Births are learnt from whoever the device is."""
        try:
            if mapping.payload is PayloadKind.SPARKPLUG_B:
                return self._aliases.lookup(payload, parts)
            if mapping.payload is PayloadKind.JSON:
                return json_lookup(payload), []
            if mapping.payload is PayloadKind.CSV:
                return csv_lookup(payload, mapping.separator), []
            return number_lookup(payload), []
        except PayloadError as error:
            return (lambda _place: None), [error.message]


def _rules(mapping: Mapping, parts: Parts | None) -> list[FieldRule]:
    """The fields that a topic has; none where the mapping is not for it."""
    if parts is None or not mapping.when.accepts(parts):
        return []
    return [rule for rule in mapping.fields if rule.when.accepts(parts)]


def _facts(
    mapping: Mapping,
    rules: Sequence[FieldRule],
    lookup: tuple[Lookup, list[str]],
    connector_id: int,
    received_at: datetime,
) -> tuple[Fact, ...]:
    look, problems = lookup
    said = _said(mapping.time, look, problems)
    values: list[Value] = []
    for rule in rules:
        result = _value(rule, look, said)
        if isinstance(result, Value):
            values.append(result)
        elif result is not None:
            problems.append(result)
    if not values and not problems:
        names = ", ".join(rule.field for rule in rules[:5]) + (", ..." if len(rules) > 5 else "")
        if mapping.payload is PayloadKind.SPARKPLUG_B:
            return ()  # a report by exception of other metrics than ours
        problems.append(f"{mapping.name} finds none of its fields: {names}")
    return facts_of(connector_id, values, received_at, problems)
