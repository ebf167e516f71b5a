"""Inputs made of other inputs: documents changed in one place, and bytes damaged anywhere.

Everything is drawn from one `random.Random`, so a seed gives the same inputs again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

Path = tuple[Any, ...]

# What parsers and arithmetic stumble over, by experience.
_NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 255, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)),
    *(0.5, -0.0, 1e-320, 1e15, 1e300, -1e300),
)
_TEXTS = (
    *("", " ", "0", "-1", "1e999", "NaN", "Infinity", "٣", "1,5", "0x10", "null", "true", "\x00", "\x1a", "\x1f"),
    *("é" * 300, "𝕏", "\u202e", "A" * 3_000, "../..", "'; --", "{station}", "%s%n", "1" * 900),
    *(
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00+14:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
    ),
    *("2026-02-30T00:00:00Z", "2026-11-21T10:00:00.1234567891Z", "1970-01-01T00:00:00Z", "20261121T100000Z"),
    *("Wh", "kWh", "Celcius", "Occupied", "Available", "Started", "Ended", "Transaction.End", "SignedData"),
)
_OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": None})
_POOL = (*_NUMBERS, *_TEXTS, *_OTHERS)
_SCRAPS = (
    *(
        b"\x00",
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"\\u0000",
        b'"',
        b"\\",
        b"NaN",
    ),
    *(
        b"1e999",
        b"-",
        b"9" * 400,
        b"[" * 3000,
        b'{"":' * 500,
        b"]",
        b"}",
        b",",
        b":",
        b"/",
        b"+",
        b"#",
        b"\n",
        b"=",
    ),
    *(
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\x7f\xff\xff\xff",
        b"\xd6\xff",
        b"\x90",
        b"\x80",
        b"\xca\x7f\xc0\x00\x00",
    ),
)


def paths_of(tree: Any) -> list[Path]:
    """Every place in a document of lists and dictionaries, the whole first."""
    found: list[Path] = [()]
    for path in found:  # it grows as it goes
        node = at(tree, path)
        if isinstance(node, dict):
            found += [(*path, key) for key in node]
        elif isinstance(node, list):
            found += [(*path, index) for index in range(len(node))]
    return found


def at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def changed(tree: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """The document with `change` of the value at `path`; what lies beside it is shared, not copied."""
    if not path:
        return change(tree)
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = changed(tree[path[0]], path[1:], change)
    return copy


def another(chance: random.Random, value: Any, others: Sequence[Any]) -> Any:
    """A value instead of this one: of its kind and near, from the list of horrors, or from another document."""
    way = chance.random()
    if way < 0.25 and isinstance(value, (int, float)) and not isinstance(value, bool):
        return chance.choice((value + 1, value - 1, -value, value * 1000, value // 7, str(value)))
    if way < 0.25 and isinstance(value, str):
        return _text(chance, value)
    if way < 0.5 and isinstance(value, dict) and value:
        return _object(chance, value)
    if way < 0.5 and isinstance(value, list) and value:
        return _array(chance, value)
    if way < 0.8 or not others:
        return chance.choice(_POOL)
    return chance.choice(others)


def _text(chance: random.Random, text: str) -> str:
    place = chance.randrange(len(text) + 1)
    return chance.choice(
        (text[:place], text[place:], text[:place] + chance.choice(_TEXTS)[:9] + text[place:], text * 2)
    )


def _object(chance: random.Random, value: dict[Any, Any]) -> dict[Any, Any]:
    copy = dict(value)
    key = chance.choice(list(copy))
    way = chance.randrange(3)
    if way == 0:
        del copy[key]
    elif way == 1:
        copy[chance.choice(("", "extra", "customData", str(key).upper(), str(key)[:-1]))] = copy[key]
    else:
        copy[key] = chance.choice(_POOL)
    return copy


def _array(chance: random.Random, value: list[Any]) -> list[Any]:
    copy = list(value)
    place, way = chance.randrange(len(copy)), chance.randrange(4)
    if way == 0:
        del copy[place]
    elif way == 1:
        copy.insert(place, chance.choice(copy))
    elif way == 2:
        copy[place:place] = copy[:8] * chance.choice((1, 2, 30))
    else:
        chance.shuffle(copy)
    return copy


def damaged(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """`data` with a few bytes of it lost, turned, doubled, or from elsewhere."""
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        place = chance.randrange(len(data) + 1)
        end = min(len(data), place + chance.choice((1, 1, 2, 8, 64)))
        way = chance.randrange(7)
        if way == 0:
            data = data[:place] + data[end:]
        elif way == 1:
            data = data[:place]
        elif way == 2:
            data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
        elif way == 3:
            data = data[:place] + data[place:end] * 2 + data[end:]
        elif way == 4 and other:
            start = chance.randrange(len(other))
            data = data[:place] + other[start : start + chance.choice((1, 4, 32, 200))] + data[place:]
        elif way == 5 and place < len(data):
            data = data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
        else:
            data = data[:place] + chance.choice(_SCRAPS) + data[place:]
    return data
