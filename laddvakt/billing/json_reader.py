"""Reads JSON-like objects and says exactly where something is wrong. Used for OCPI tariffs and CDRs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from laddvakt.domain.errors import LaddvaktError
from laddvakt.domain.times import parse_time, require_utc


class Reader:
    """One JSON object and its path, such as `$.elements[0].price_components[1]`. Every refusal is an `error` that
    names path, fault and mend."""

    def __init__(self, value: object, path: str, error: type[LaddvaktError]) -> None:
        if not isinstance(value, Mapping):
            raise error(f"{path} is {_kind(value)}, not an object.", mend="Write {...} there.")
        self._value: Mapping[str, Any] = value
        self._path = path
        self._error = error

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def get(self, key: str) -> Any:
        return self._value.get(key)

    def wrong(self, key: str, fault: str, mend: str) -> LaddvaktError:
        """The error for a fault at `key`, to be raised."""
        return self._error(f"{self._path}.{key}: {fault}.", mend=mend)

    def only(self, known: Collection[str], *, mend: str) -> None:
        """Refuses fields that are not `known`: a misspelt one must not be priced as if it were not there."""
        for key in self._value:
            if key not in known:
                raise self.wrong(str(key), "is not a known field", mend)

    def object(self, key: str) -> Reader:
        return Reader(self._need(key), f"{self._path}.{key}", self._error)

    def objects(self, key: str) -> list[Reader]:
        """A list of one object or more."""
        value = self._need(key)
        if not isinstance(value, list | tuple) or not value:
            raise self.wrong(key, f"is {_kind(value)}, not a list of one object or more", "Write [{...}] there.")
        return [Reader(item, f"{self._path}.{key}[{index}]", self._error) for index, item in enumerate(value)]

    def text(self, key: str, *, longest: int) -> str:
        value = self._need(key)
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            raise self.wrong(
                key, f"is {_kind(value)}, not text of 1 to {longest} characters", "Write such a text."
            )
        return value

    def choice(self, key: str, choices: Collection[str]) -> str:
        value = self._need(key)
        if value not in choices:
            raise self.wrong(key, f"{value!r} is not known", f"Use one of {', '.join(choices)}.")
        return str(value)

    def currency(self, key: str) -> str:
        value = self._need(key)
        if not isinstance(value, str) or not re.fullmatch("[A-Z]{3}", value):
            raise self.wrong(key, f"{value!r} is not an ISO 4217 code", "Write for example SEK or EUR.")
        return value

    def number(self, key: str, *, most: int) -> Decimal:
        """A JSON number from 0 to `most`, exactly as it was written (a float by its shortest text)."""
        value = self._need(key)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise self.wrong(key, f"is {_kind(value)}, not a number", "Write it without quotes, such as 4.25.")
        number = Decimal(str(value))
        if not number.is_finite() or not 0 <= number <= most:
            raise self.wrong(key, f"{value} is not between 0 and {most}", "Give a number in that range.")
        return number

    def whole(self, key: str, *, least: int, default: int) -> int:
        value = self._value.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10**9:
            raise self.wrong(key, f"{value!r} is not a whole number of {least} or more", "Give such a number.")
        return value

    def time(self, key: str) -> datetime | None:
        """An OCPI DateTime, in UTC (a missing zone is UTC: OCPI 2.2.1 section 16.2); None when it is not there."""
        value = self._value.get(key)
        if value is None:
            return None
        read = parse_time(value) if isinstance(value, str) else None
        if isinstance(value, datetime) and value.tzinfo is not None:
            read = require_utc(value)
        if read is None:
            raise self.wrong(key, f"{value!s} is not a time", "Write for example 2026-11-21T10:00:00Z.")
        return read

    def _need(self, key: str) -> Any:
        value = self._value.get(key)
        if value is None:
            raise self.wrong(key, "is missing", "Add it.")
        return value


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return repr(value)
