"""Rows as NumPy columns: what baselines, forests and calibration work on, whole fleets at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.features import FEATURES_OF, Span, Window
from detector.models.chunk import Chunk, Thing

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """`values` is rows x features of the span; NaN: missing. `context` is rows x (current, battery, phases,
    ambient)."""

    span: Span
    kind: str
    things: tuple[Thing, ...]
    thing: Ints
    group: Ints
    at: Ints
    context: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Samples:
        """Of windows that share span and kind; at least one."""
        return cls.read(Chunk.of(windows))

    @classmethod
    def read(cls, chunk: Chunk) -> Samples:
        def column(data: bytes, kind: Any) -> Any:
            return np.frombuffer(data, kind)

        return cls(
            span=chunk.span,
            kind=chunk.kind,
            things=tuple(chunk.things),
            thing=column(chunk.thing, np.uint32).astype(np.int64),
            group=column(chunk.group, np.uint32).astype(np.int64),
            at=column(chunk.at, np.uint32).astype(np.int64),
            context=column(chunk.context, np.int8).reshape(-1, 4).astype(np.int64),
            values=column(chunk.values, np.float32).reshape(-1, len(FEATURES_OF[chunk.span])),
        )

    def where(self, chosen: NDArray[Any]) -> Samples:
        """Some rows, by mask or index."""
        return replace(
            self,
            thing=self.thing[chosen],
            group=self.group[chosen],
            at=self.at[chosen],
            context=self.context[chosen],
            values=self.values[chosen],
        )

    @property
    def makes(self) -> tuple[tuple[str, ...], Ints]:
        """The makes there are, and each row's index into them."""
        index: dict[str, int] = {}
        of_thing = [index.setdefault(thing.make, len(index)) for thing in self.things]
        return tuple(index), np.array(of_thing, np.int64)[self.thing]


def joined(parts: Iterable[Samples]) -> Samples:
    """Rows of many chunks of one span and kind; at least one."""
    known = list(parts)
    index: dict[Thing, int] = {}
    thing = []
    for part in known:
        places = np.array([index.setdefault(own, len(index)) for own in part.things], np.int64)
        thing.append(places[part.thing])
    return replace(
        known[0],
        things=tuple(index),
        thing=np.concatenate(thing),
        group=np.concatenate([part.group for part in known]),
        at=np.concatenate([part.at for part in known]),
        context=np.concatenate([part.context for part in known]),
        values=np.concatenate([part.values for part in known]),
    )
