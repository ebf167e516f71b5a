"""Rows as columns of bytes: how they are kept and how they travel to a training process. No arrays of NumPy, so
that a detector without models starts without it.

One window takes about 85 bytes, compressed about 60.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from detector.features import FEATURES_OF, Span, Window

_MISSING = float("nan")


class Thing(msgspec.Struct, frozen=True, array_like=True):
    """A connector with its present firmware: what has habits of its own."""

    station_id: str
    connector_id: int
    make: str


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one span and kind. Columns are native-endian, as `array` has them."""

    span: Span
    kind: str
    things: list[Thing]
    thing: bytes  # uint32: index into `things`
    group: bytes  # uint32: a hash of the session; rows of one group are learnt from, or held out, together
    at: bytes  # uint32: start, seconds since 1970
    context: bytes  # int8 x 4
    values: bytes  # float32 x features; NaN: missing

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Chunk:
        """Of windows that share span and kind; at least one."""
        names = tuple(FEATURES_OF[windows[0].span])
        index: dict[Thing, int] = {}
        things = [Thing(window.station_id, window.connector_id, window.make) for window in windows]
        rows = (window.values.get(name, _MISSING) for window in windows for name in names)
        return cls(
            span=windows[0].span,
            kind=windows[0].kind,
            thing=array("I", [index.setdefault(thing, len(index)) for thing in things]).tobytes(),
            things=list(index),
            group=array("I", [group_of(window) for window in windows]).tobytes(),
            at=array("I", [int(window.start.timestamp()) for window in windows]).tobytes(),
            context=array("b", chain.from_iterable(window.context for window in windows)).tobytes(),
            values=array("f", rows).tobytes(),
        )

    def times(self) -> array[int]:
        """The start of each row, seconds since 1970."""
        found = array("I")
        found.frombytes(self.at)
        return found

    def encode(self) -> bytes:
        return zlib.compress(_encoder.encode(self), 1)

    @classmethod
    def decode(cls, data: bytes) -> Chunk:
        """Raises ValueError for what is no chunk."""
        try:
            return _decoder.decode(zlib.decompress(data))
        except (zlib.error, msgspec.MsgspecError) as error:
            raise ValueError(f"this is no chunk of rows: {error}") from error


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Chunk)


def group_of(window: Window) -> int:
    """The same for all rows of a session, spread evenly over 32 bits."""
    return zlib.crc32(f"{window.connector}|{window.transaction_id}".encode())


def chunks(windows: Iterable[Window]) -> list[Chunk]:
    """Windows sorted into chunks."""
    apart: dict[tuple[Span, str], list[Window]] = {}
    for window in windows:
        apart.setdefault((window.span, window.kind), []).append(window)
    return [Chunk.of(rows) for rows in apart.values()]
