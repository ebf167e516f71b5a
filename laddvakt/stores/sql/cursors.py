"""Keyset paging: a cursor names the last row seen, so that a page costs the same however deep it lies and no
row is seen twice or missed while others are added."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from laddvakt.stores.ports import Page
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.types import from_microseconds, to_microseconds

T = TypeVar("T")
Key = tuple[int, str | int]

_decoder: msgspec.json.Decoder[Key] = msgspec.json.Decoder(Key)


def encode_cursor(key: Key) -> str:
    """Opaque text, safe in a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(text: str) -> Key:
    """Raises ValueError for a text that `encode_cursor` did not make."""
    try:
        return _decoder.decode(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise ValueError(f"{text!r} is not a cursor of this list") from error


def check_limit(limit: int) -> int:
    """Raises ValueError for a page without room."""
    if limit < 1:
        raise ValueError(f"limit is {limit}; it must be at least 1")
    return limit


def _moment_and_tie(after: str, tie: sa.Column[Any]) -> tuple[datetime, str | int]:
    microseconds, last = decode_cursor(after)
    try:
        if isinstance(last, int if isinstance(tie.type, sa.BigInteger) else str):
            return from_microseconds(microseconds), last
    except OverflowError:
        pass  # the same answer as for any other foreign cursor
    raise ValueError(f"{after!r} is not a cursor of this list")


def newest_first(
    db: Db,
    statement: sa.Select[Any],
    *,
    time: sa.Column[Any],
    tie: sa.Column[Any],
    after: str | None,
    limit: int,
    build: Callable[[Sequence[Row[Any]]], Sequence[T]],
) -> Page[T]:
    """One page of `statement`, newest first by (`time`, `tie`). `build` makes objects of its rows, in order."""
    check_limit(limit)
    if after is not None:
        moment, last = _moment_and_tie(after, tie)
        # A row value comparison: both databases walk the index with it.
        statement = statement.where(
            sa.tuple_(time, tie) < sa.tuple_(sa.literal(moment, time.type), sa.literal(last, tie.type))
        )
    rows = db.all(statement.order_by(time.desc(), tie.desc()).limit(limit + 1))
    items = tuple(build(rows[:limit]))
    if len(rows) <= limit:
        return Page(items=items)
    end = rows[limit - 1]._mapping
    return Page(items=items, next=encode_cursor((to_microseconds(end[time]), end[tie])))
