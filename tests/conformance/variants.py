"""Broken variants of a request, worked out from its official schema: one breach each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}
_WRONG = {"string": {}, "integer": "x", "number": "x", "boolean": "x", "array": "x", "object": "x"}

REFUSED = {
    "missing": "OccurrenceConstraintViolation",
    "empty list": "OccurrenceConstraintViolation",
    "wrong type": "TypeConstraintViolation",
    "out of range": "PropertyConstraintViolation",
    "too long": "PropertyConstraintViolation",
    "outside the enum": "PropertyConstraintViolation",
    "extra field": "FormatViolation",
}
"""Kind of breach -> CALLERROR code of 2.0.1 part 4 section 4.3; `spelled` has the words of 1.6."""

READ_ALL_THE_SAME = {"too long", "outside the enum", "extra field"}
"""Kinds of breach whose sense is plain; only a strict collector refuses them."""


class Variant(NamedTuple):
    kind: str
    where: str
    payload: dict[str, Any]


@cache
def schema(protocol: str, name: str) -> dict[str, Any]:
    """An official schema, as the `ocpp` package ships it."""
    path = files("ocpp") / FOLDERS[protocol] / "schemas" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8-sig"))
    return found


def variants(protocol: str, action: str, payload: dict[str, Any]) -> Iterator[Variant]:
    root = schema(protocol, action if protocol == "ocpp1.6" else f"{action}Request")
    for kind, path, value in _breaches(root, root, payload, ()):
        yield Variant(kind, ".".join(map(str, path)), _with(payload, path, value))


_GONE = object()
Path = tuple[str | int, ...]


def _breaches(
    root: dict[str, Any], rule: dict[str, Any], value: Any, path: Path
) -> Iterator[tuple[str, Path, Any]]:
    """(kind, path, what to put there) for everything below a value that can be broken."""
    rule = _resolved(root, rule)
    if path and rule.get("type") in _WRONG:
        yield "wrong type", path, _WRONG[rule["type"]]
    if isinstance(value, dict):
        yield from _of_object(root, rule, value, path)
    elif isinstance(value, list):
        if rule.get("minItems"):
            yield "empty list", path, []
        yield from _breaches(root, rule.get("items", {}), value[0], (*path, 0))
    elif "enum" in rule:
        yield "outside the enum", path, "Bogus"
    elif "maxLength" in rule and "format" not in rule:
        yield "too long", path, "x" * (rule["maxLength"] + 1)
    elif "maximum" in rule:
        yield "out of range", path, rule["maximum"] + 1
    elif "minimum" in rule:
        yield "out of range", path, rule["minimum"] - 1


def _of_object(
    root: dict[str, Any], rule: dict[str, Any], value: dict[str, Any], path: Path
) -> Iterator[tuple[str, Path, Any]]:
    if rule.get("additionalProperties") is False:
        yield "extra field", (*path, "invented"), 1
    for name, below in value.items():
        if name in rule.get("required", ()):
            yield "missing", (*path, name), _GONE
        yield from _breaches(root, rule.get("properties", {}).get(name, {}), below, (*path, name))


def _resolved(root: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any]:
    reference = rule.get("$ref")
    return root["definitions"][reference.rpartition("/")[2]] if reference else rule


def _with(value: Any, path: Path, what: Any) -> Any:
    """A copy of a payload with something else at `path`."""
    if not path:
        return what
    copy = dict(value) if isinstance(value, dict) else list(value)
    name: Any = path[0]
    if len(path) == 1 and what is _GONE:
        del copy[name]
    else:
        copy[name] = _with(value[name] if len(path) > 1 else None, path[1:], what)
    return copy
