"""Column types that keep values exact on SQLite and PostgreSQL alike, and refuse what they cannot keep."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from laddvakt.domain.times import require_utc

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(value: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly. Raises ValueError for a naive time."""
    return (require_utc(value) - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The inverse of `to_microseconds`."""
    return _EPOCH + timedelta(microseconds=value)


Conversion = Callable[[Any], Any] | None
"""Of a value that is not None; None where there is nothing to do."""


def _none_stays(convert: Conversion) -> Conversion:
    return None if convert is None else lambda value: None if value is None else convert(value)


class _Direct(TypeDecorator[T]):
    """A type whose two conversions are plain functions. The types beneath convert nothing themselves, so a value
    costs one call instead of SQLAlchemy's three: the recorder reads and writes some dozens for each message."""

    cache_ok = True

    def writing(self, dialect: Dialect) -> Conversion:
        """From Python to the driver."""
        return None

    def reading(self, dialect: Dialect) -> Conversion:
        """From the driver to Python."""
        return None

    def bind_processor(self, dialect: Dialect) -> Conversion:
        return _none_stays(self.writing(dialect))

    def result_processor(self, dialect: Dialect, coltype: Any) -> Conversion:
        return _none_stays(self.reading(dialect))


class UtcTime(_Direct[datetime]):
    """An aware UTC time to the microsecond: timestamptz on PostgreSQL, integer microseconds on SQLite, so that
    order in SQL is order in time. A naive time raises ValueError."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def writing(self, dialect: Dialect) -> Conversion:
        return to_microseconds if dialect.name == "sqlite" else require_utc

    def reading(self, dialect: Dialect) -> Conversion:
        return from_microseconds if dialect.name == "sqlite" else lambda value: value.astimezone(UTC)


_MOST = Decimal(2**63 - 1).scaleb(-4)


def to_ten_thousandths(amount: Decimal) -> int:
    """An amount as an integer number of ten-thousandths. Raises ValueError instead of rounding: OCPI 2.2.1
    section 16 gives money at most four decimals."""
    value = int(amount.scaleb(4)) if amount.is_finite() and abs(amount) <= _MOST else None
    if value is None or from_ten_thousandths(value) != amount:
        raise ValueError(f"amount {amount} cannot be kept exactly: at most four decimals, below 9e14")
    return value


def from_ten_thousandths(value: int) -> Decimal:
    """The inverse, written with two decimals where two are enough."""
    return Decimal(value // 100).scaleb(-2) if value % 100 == 0 else Decimal(value).scaleb(-4)


class MoneyAmount(_Direct[Decimal]):
    """A Decimal as BIGINT ten-thousandths: SUM is exact on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def writing(self, dialect: Dialect) -> Conversion:
        return to_ten_thousandths

    def reading(self, dialect: Dialect) -> Conversion:
        return lambda value: from_ten_thousandths(int(value))


# PostgreSQL takes no NUL in text and no database takes lone surrogates, yet a station may send both. They are
# escaped with SUB, a control character that text does not use; SUB itself likewise.
_ESCAPED = re.compile("[\x00\x1a\ud800-\udfff]")
_UNESCAPED = re.compile("\x1a([0-9a-f]{4})")


def escape_text(text: str) -> str:
    """`text` in a form that every database can hold, reversibly; nearly always `text` itself."""
    if text.isprintable():
        return text
    return _ESCAPED.sub(lambda match: f"\x1a{ord(match[0]):04x}", text)


def unescape_text(text: str) -> str:
    """The inverse of `escape_text`."""
    return _UNESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "\x1a" in text else text


class AnyText(_Direct[str]):
    """Text of any length and content, ordered by code point on both databases."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        # Not through type_descriptor: it would turn a collated TEXT into VARCHAR.
        return TEXT(collation="C") if dialect.name == "postgresql" else sa.Text()

    def writing(self, dialect: Dialect) -> Conversion:
        return escape_text

    def reading(self, dialect: Dialect) -> Conversion:
        return unescape_text


class OneOf(_Direct[StrEnum]):
    """A member of an enumeration, kept as its word."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def writing(self, dialect: Dialect) -> Conversion:
        return lambda value: self.kind(value).value

    def reading(self, dialect: Dialect) -> Conversion:
        members = {member.value: member for member in self.kind}
        return lambda value: members.get(value) or self.kind(value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return float(value)


class Finite(_Direct[float]):
    """A float. NaN and infinities raise ValueError: SQLite would turn NaN into NULL without a word."""

    impl = sa.Double
    cache_ok = True

    def writing(self, dialect: Dialect) -> Conversion:
        return _finite


class Json(_Direct[Any]):
    """A nested value as msgspec JSON text of the given type (Decimals as strings, times as RFC 3339)."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def writing(self, dialect: Dialect) -> Conversion:
        return lambda value: msgspec.json.encode(value).decode()

    def reading(self, dialect: Dialect) -> Conversion:
        return msgspec.json.Decoder(self.kind).decode
