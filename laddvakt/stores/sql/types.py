"""Column types that keep values exact on SQLite and PostgreSQL alike, and refuse what they cannot keep."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from laddvakt.domain.times import require_utc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(value: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly. Raises ValueError for a naive time."""
    return (require_utc(value) - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The inverse of `to_microseconds`."""
    return _EPOCH + timedelta(microseconds=value)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time to the microsecond: timestamptz on PostgreSQL, integer microseconds on SQLite, so that
    order in SQL is order in time. A naive time raises ValueError."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return to_microseconds(value) if dialect.name == "sqlite" else require_utc(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return from_microseconds(value) if dialect.name == "sqlite" else value.astimezone(UTC)


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


class MoneyAmount(TypeDecorator[Decimal]):
    """A Decimal as BIGINT ten-thousandths: SUM is exact on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else to_ten_thousandths(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else from_ten_thousandths(int(value))


# PostgreSQL takes no NUL in text and no database takes lone surrogates, yet a station may send both. They are
# escaped with SUB, a control character that text does not use; SUB itself likewise.
_ESCAPED = re.compile("[\x00\x1a\ud800-\udfff]")
_UNESCAPED = re.compile("\x1a([0-9a-f]{4})")


def escape_text(text: str) -> str:
    """`text` in a form that every database can hold, reversibly; nearly always `text` itself."""
    return _ESCAPED.sub(lambda match: f"\x1a{ord(match[0]):04x}", text)


def unescape_text(text: str) -> str:
    """The inverse of `escape_text`."""
    return _UNESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "\x1a" in text else text


class AnyText(TypeDecorator[str]):
    """Text of any length and content, ordered by code point on both databases."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        # Not through type_descriptor: it would turn a collated TEXT into VARCHAR.
        return TEXT(collation="C") if dialect.name == "postgresql" else sa.Text()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escape_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else unescape_text(value)


class OneOf(TypeDecorator[StrEnum]):
    """A member of an enumeration, kept as its word."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


class Finite(TypeDecorator[float]):
    """A float. NaN and infinities raise ValueError: SQLite would turn NaN into NULL without a word."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        if value is None:
            return None
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return float(value)


class Json(TypeDecorator[Any]):
    """A nested value as msgspec JSON text of the given type (Decimals as strings, times as RFC 3339)."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value, type=self.kind)
