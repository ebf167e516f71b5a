"""Where in a payload a value stands, and the number that it is. Pure.

A path in JSON: `ENERGY.Power`, `values[0].v`, `ENERGY.Power[*]` (the sum of a list), and in quotation marks what
has dots in its name: `meter."1-0:1.8.0"`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from collector.mqtt.facts import as_float
from laddvakt.domain.errors import PayloadError
from laddvakt.domain.readings import UNITS, Unit

Path = tuple[str | int, ...]
Place = Path | int | str | None  # a JSON path, a column (from 1), a metric, or the payload itself

_SUM = -1  # the step [*]
_STEP = re.compile(r'(?P<dot>\.)?(?:"(?P<quoted>[^"]+)"|(?P<plain>[^."\[\]\s]+))|\[(?P<index>\d{1,6}|\*)\]')
_NUMBER = re.compile(
    r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*\*?\s*([A-Za-z%]{0,12})\s*", re.ASCII
)
_MAX_TEXT = 100
_MAX_BYTES = 1024 * 1024


class Found(NamedTuple):
    """A value as it stands in a payload; Sparkplug's metrics have a time each."""

    value: Any
    said: datetime | None = None


Lookup = Callable[[Place], Found | None]


def parse_path(text: str) -> Path:
    """Raises ValueError saying what is wrong, and behind a full stop how to mend it."""
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        named = step is not None and step["index"] is None
        if step is None or (named and (step["dot"] is None) != (not steps)):
            raise ValueError(f'{text!r} is not a path. Write for example ENERGY.Power, values[0].v or "1-0:1.8.0"')
        if step["index"] is None:
            steps.append(step["quoted"] or step["plain"])
        else:
            steps.append(_SUM if step["index"] == "*" else int(step["index"]))
        position = step.end()
    if not steps or _SUM in steps[:-1]:
        raise ValueError(f"{text!r} is not a path. Write for example ENERGY.Power; [*] only at its end")
    return tuple(steps)


def find(data: Any, path: Path) -> Any:
    """What stands there; None when nothing does, or a list or an object."""
    for step in path:
        if isinstance(step, str):
            data = data.get(step) if isinstance(data, dict) else None
        elif step == _SUM:
            data = _total(data)
        else:
            data = data[step] if isinstance(data, list) and step < len(data) else None
    return None if isinstance(data, dict | list) else data


def _total(data: Any) -> float | None:
    numbers = [as_float(item) for item in data] if isinstance(data, list) else []
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None


def json_lookup(payload: bytes) -> Lookup:
    """Raises PayloadError for what is not JSON."""
    try:
        data = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise PayloadError(f"not JSON: {error}") from error

    def look(place: Place) -> Found | None:
        value = find(data, place) if isinstance(place, tuple) else None
        return None if value is None else Found(value)

    return look


def _text(payload: bytes) -> str:
    if len(payload) > _MAX_BYTES:
        raise PayloadError(f"{len(payload)} bytes; at most {_MAX_BYTES} are read")
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise PayloadError(f"not text: {error.reason}") from error


def number_lookup(payload: bytes) -> Lookup:
    """Raises PayloadError for what is not text."""
    text = _text(payload)
    return lambda _place: Found(text) if text else None


def csv_lookup(payload: bytes, separator: str) -> Lookup:
    """The last line that is not empty. Raises PayloadError."""
    lines = [line for line in _text(payload).splitlines() if line.strip()]
    try:
        (cells,) = csv.reader(lines[-1:], delimiter=separator, skipinitialspace=separator != " ")
    except (csv.Error, ValueError) as error:
        raise PayloadError(f"not a line of values: {error}") from error

    def look(place: Place) -> Found | None:
        if not isinstance(place, int) or place > len(cells) or not cells[place - 1].strip():
            return None
        return Found(cells[place - 1].strip())

    return look


def number_of(value: Any, field: str, unit: Unit | None) -> tuple[float, Unit | None] | str:
    """The number of a value and the unit to convert it by, or what is wrong. Text may carry its unit behind the
    number, also after the asterisk of IEC 62056-21 (`000123.456*kWh`); it goes before the mapping's word."""
    if not isinstance(value, str):
        number = as_float(value)
        return (number, unit) if number is not None else f"field {field}: not a number in range"
    read = _NUMBER.fullmatch(value) if len(value) <= _MAX_TEXT else None
    number = as_float(float(read[1])) if read else None
    if read is None or number is None:
        return f"field {field}: {value[:60]!r} is not a number"
    said = read[2].lower()
    if not said or field.endswith(f"_{said}"):
        return number, unit if not said or unit is None or said not in UNITS else UNITS[said]
    if said not in UNITS or not field.endswith(f"_{UNITS[said].suffix}"):
        return f"field {field}: {value[:60]!r} is in another unit"
    return number, UNITS[said]
