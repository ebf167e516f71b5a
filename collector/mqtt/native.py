"""Native topics: `laddvakt/<station>/<connector>/meter` and `laddvakt/<station>/telemetry`.

The payload is a JSON object of numbers with units in their names, and optionally `ts` (ISO 8601).
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import Fact, Measured, NonConforming, Quarantined, QuarantineReason
from laddvakt.domain.readings import Reading
from laddvakt.domain.times import effective_time, parse_time

TOPICS = ("laddvakt/+/+/meter", "laddvakt/+/telemetry")
UNKNOWN_DEVICE = "mqtt"  # stands for the station in entries whose topic names none

_TOPIC = re.compile(r"^laddvakt/(?P<station>[^/]+)/(?:(?P<connector>\d{1,4})/meter|telemetry)$")
_FIELD = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_MAX_FIELDS = 200
_KEPT_OF_UNLOGGABLE = 8 * 1024  # characters


def _reading(name: str, value: Any, at: datetime, said: datetime | None) -> Reading | str:
    if not _FIELD.match(name):
        return f"field {name[:60]!r}: names are lower case with the unit at the end, such as energy_wh"
    if isinstance(value, bool):
        value = float(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return f"field {name}: {str(value)[:60]!r} is not a number"
    return Reading(at=at, field=name, value=float(value), station_at=said)


def _facts(connector_id: int, payload: bytes, received_at: datetime) -> tuple[Fact, ...]:
    def bad(detail: str) -> Quarantined:
        return Quarantined(at=received_at, reason=QuarantineReason.BAD_MQTT_PAYLOAD, detail=detail)

    try:
        data = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return (bad(f"not JSON: {error}"),)
    if not isinstance(data, dict) or not data:
        return (bad("the payload must be a JSON object of numbers with units in their names"),)
    if len(data) > _MAX_FIELDS:
        return (bad(f"{len(data)} fields; at most {_MAX_FIELDS} are read"),)
    problems: list[Fact] = []
    stamp = data.pop("ts", None)
    parsed = parse_time(stamp) if isinstance(stamp, str) else None
    if stamp is not None and parsed is None:
        problems.append(bad(f"ts: {str(stamp)[:60]!r} is not an ISO 8601 time; the time of receipt is used"))
    at = effective_time(parsed, received_at)
    readings: list[Reading] = []
    for name, value in data.items():
        result = _reading(name, value, at, parsed if parsed != at else None)
        if isinstance(result, Reading):
            readings.append(result)
        else:
            problems.append(bad(result))
    if not readings:
        return tuple(problems)
    return (Measured(at=at, connector_id=connector_id, readings=tuple(readings), source="mqtt"), *problems)


def read_message(topic: str, payload: bytes, received_at: datetime, *, retained: bool = False) -> Entry:
    """The entry of one MQTT message. Never raises: what cannot be read is quarantined in the entry. `retained`:
    the broker kept it for new subscribers, so without a time of its own it may be of any age and is not used."""
    match = _TOPIC.match(topic)
    facts: tuple[Fact, ...]
    if match is None:
        reason = QuarantineReason.BAD_MQTT_PAYLOAD
        facts = (Quarantined(at=received_at, reason=reason, detail=f"topic {topic[:200]!r} is not a native one"),)
        station_id = UNKNOWN_DEVICE
    else:
        station_id = match["station"]
        facts = _facts(int(match["connector"] or 0), payload, received_at)
    if retained and not _dated(facts, received_at):
        facts = (NonConforming(at=received_at, detail=f"{topic}: a retained message without ts was not used"),)
    return Entry(
        station_id=station_id,
        kind=EntryKind.MQTT,
        received_at=received_at,
        raw=payload.decode("utf-8", "backslashreplace"),
        topic=topic,
        facts=facts,
    )


def _dated(facts: tuple[Fact, ...], received_at: datetime) -> bool:
    """Whether all values are of a time that the device itself gave."""
    return all(fact.at != received_at for fact in facts if isinstance(fact, Measured))


def set_aside(entry: Entry, why: str) -> Entry:
    """Instead of an entry that the log can never take: a part of the message, and the reason."""
    fact = Quarantined(at=entry.received_at, reason=QuarantineReason.BAD_MQTT_PAYLOAD, detail=why[:500])
    return replace(entry, raw=entry.raw[:_KEPT_OF_UNLOGGABLE], facts=(fact,))
