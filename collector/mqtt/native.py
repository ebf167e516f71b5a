"""Native topics: `laddvakt/<station>/<connector>/meter` and `laddvakt/<station>/telemetry`.

The payload is a JSON object of numbers with units in their names, and optionally `ts` (ISO 8601).
"""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from collector.mqtt.facts import MAX_FIELDS, UNKNOWN_DEVICE, Value, entry_of, facts_of, quarantined
from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import Fact
from laddvakt.domain.times import parse_time

TOPICS = ("laddvakt/+/+/meter", "laddvakt/+/telemetry")

_TOPIC = re.compile(r"^laddvakt/(?P<station>[^/]+)/(?:(?P<connector>\d{1,4})/meter|telemetry)$")


def _facts(connector_id: int, payload: bytes, received_at: datetime) -> tuple[Fact, ...]:
    try:
        data = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return (quarantined(received_at, f"not JSON: {error}"),)
    if not isinstance(data, dict) or not data:
        detail = "the payload must be a JSON object of numbers with units in their names"
        return (quarantined(received_at, detail),)
    if len(data) > MAX_FIELDS:
        return (quarantined(received_at, f"{len(data)} fields; at most {MAX_FIELDS} are read"),)
    problems: list[str] = []
    stamp = data.pop("ts", None)
    said = parse_time(stamp) if isinstance(stamp, str) else None
    if stamp is not None and said is None:
        problems.append(f"ts: {str(stamp)[:60]!r} is not an ISO 8601 time; the time of receipt is used")
    values = [Value(name, value, said) for name, value in data.items()]
    return facts_of(connector_id, values, received_at, problems)


def read_native(topic: str, payload: bytes, received_at: datetime) -> Entry | None:
    """The entry of a message on a native topic, None for another topic. Never raises."""
    match = _TOPIC.match(topic)
    if match is None:
        return None
    facts = _facts(int(match["connector"] or 0), payload, received_at)
    return entry_of(match["station"], topic, payload, received_at, facts)


def read_message(topic: str, payload: bytes, received_at: datetime) -> Entry:
    """The entry of a message where no mapping is for its topic. Never raises: what cannot be read is quarantined
    in the entry."""
    entry = read_native(topic, payload, received_at)
    if entry is not None:
        return entry
    problem = quarantined(received_at, f"topic {topic[:200]!r} is neither a native one nor in a mapping")
    return entry_of(UNKNOWN_DEVICE, topic, payload, received_at, (problem,))
