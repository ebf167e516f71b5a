"""What is fuzzed: a function that takes bytes, the inputs to begin with, and how a document of them is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import msgspec

Run = Callable[[int, bytes], Hashable]
"""Variant and input to a sign of what it led to. Whatever it raises is a fault that was found."""


class Seed(NamedTuple):
    """An input. `variant` says which of several ways the target reads it, 0 to `variants - 1`."""

    variant: int
    data: bytes


class Form(NamedTuple):
    """How documents are written as bytes."""

    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]


def _json(tree: Any) -> bytes:
    try:
        return msgspec.json.encode(tree)
    except (msgspec.MsgspecError, UnicodeError, TypeError, ValueError):
        return json.dumps(tree).encode()


JSON = Form(_json, msgspec.json.decode)
MSGPACK = Form(msgspec.msgpack.encode, msgspec.msgpack.decode)


class Target(NamedTuple):
    """`share` of all inputs goes to it."""

    name: str
    share: float
    seeds: Callable[[], Sequence[Seed]]
    run: Callable[[], Run]
    variants: int = 1
    form: Form | None = JSON


class UnhandledError(AssertionError):
    """What an input led to must not be."""
