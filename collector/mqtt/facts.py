"""From named values to facts: the one way by which readings of devices come to be, whatever their topic. Pure."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import Fact, Measured, NonConforming, Quarantined, QuarantineReason
from laddvakt.domain.readings import Reading
from laddvakt.domain.times import effective_time

FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
MAX_FIELDS = 200
UNKNOWN_DEVICE = "mqtt"  # stands for the station in entries whose topic names none

_BINARY = "base64:"
_KEPT_OF_UNLOGGABLE = 8 * 1024  # characters


class Value(NamedTuple):
    """One value of a message, in the base unit of its field, with the device's own time if it gave one."""

    field: str
    value: Any
    said: datetime | None = None


def quarantined(
    received_at: datetime, detail: str, reason: QuarantineReason = QuarantineReason.BAD_MQTT_PAYLOAD
) -> Quarantined:
    return Quarantined(at=received_at, reason=reason, detail=detail)


def as_float(value: Any) -> float | None:
    """A finite number, or None. Booleans are 0 and 1."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON has integers of any length
        return None
    return number if math.isfinite(number) else None


def _reading(item: Value, received_at: datetime) -> Reading | str:
    if not FIELD_NAME.fullmatch(item.field):
        return f"field {item.field[:60]!r}: names are lower case with the unit at the end, such as energy_wh"
    number = as_float(item.value)
    if number is None:
        return f"field {item.field}: {_shown(item.value)} is not a number"
    at = effective_time(item.said, received_at)
    return Reading(at=at, field=item.field, value=number, station_at=item.said if item.said != at else None)


def _shown(value: Any) -> str:
    try:
        return f"{str(value)[:60]!r}"
    except ValueError:  # an integer of more digits than Python writes out
        return "a number of very many digits"


def facts_of(
    connector_id: int, values: Iterable[Value], received_at: datetime, problems: Sequence[str] = ()
) -> tuple[Fact, ...]:
    """Readings of one message, and what of it was set aside. Never raises."""
    results = [_reading(item, received_at) for item in values]
    readings = tuple(result for result in results if isinstance(result, Reading))
    bad = [*problems, *(result for result in results if isinstance(result, str))]
    aside = tuple(quarantined(received_at, detail) for detail in bad)
    if not readings:
        return aside
    at = max(reading.at for reading in readings)
    return (Measured(at=at, connector_id=connector_id, readings=readings, source="mqtt"), *aside)


def entry_of(station_id: str, topic: str, payload: bytes, received_at: datetime, facts: tuple[Fact, ...]) -> Entry:
    return Entry(
        station_id=station_id,
        kind=EntryKind.MQTT,
        received_at=received_at,
        raw=raw_text(payload),
        topic=topic,
        facts=facts,
    )


def without_stale(entry: Entry) -> Entry:
    """The entry of a message that the broker kept for new subscribers: without a time of its own it may be of any
    age and is not used."""
    measured = [fact for fact in entry.facts if isinstance(fact, Measured)]
    if all(reading.at != entry.received_at for fact in measured for reading in fact.readings):
        return entry
    detail = f"{entry.topic}: a retained message without a time of its own was not used"
    return replace(entry, facts=(NonConforming(at=entry.received_at, detail=detail),))


def set_aside(entry: Entry, why: str) -> Entry:
    """Instead of an entry that the log can never take: a part of the message, and the reason."""
    return replace(entry, raw=entry.raw[:_KEPT_OF_UNLOGGABLE], facts=(quarantined(entry.received_at, why[:500]),))


def raw_text(payload: bytes) -> str:
    """A payload as the log keeps it: text as it is, anything else as `base64:...`. `raw_bytes` undoes it."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if payload and (not text or text.startswith(_BINARY)):
        return _BINARY + base64.b64encode(payload).decode("ascii")
    return text


def raw_bytes(text: str) -> bytes:
    """The payload that `raw_text` made this of; text that it did not make is taken as it stands."""
    if text.startswith(_BINARY):
        try:
            return base64.b64decode(text.removeprefix(_BINARY), validate=True)
        except ValueError:
            return text.encode("utf-8", "surrogatepass")
    return text.encode("utf-8", "surrogatepass")
