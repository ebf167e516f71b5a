"""The smallest payloads that an official schema allows, for tests that go through every action."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec

_FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}
_FORMATS = {"date-time": "2026-11-21T10:00:00Z", "uri": "https://example.org/x"}


def schema_named(protocol: str, name: str) -> dict[str, Any]:
    path = files("ocpp") / _FOLDERS[protocol] / "schemas" / f"{name}.json"
    schema: dict[str, Any] = msgspec.json.decode(path.read_text("utf-8-sig"))
    return schema


def smallest_request(protocol: str, action: str) -> dict[str, Any]:
    schema = schema_named(protocol, action if protocol == "ocpp1.6" else f"{action}Request")
    payload: dict[str, Any] = _smallest(schema, schema)
    return payload


def smallest_response(protocol: str, action: str) -> dict[str, Any]:
    schema = schema_named(protocol, f"{action}Response")
    payload: dict[str, Any] = _smallest(schema, schema)
    return payload


def _smallest(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _smallest(root["definitions"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: _smallest(parts[name], root) for name in schema.get("required", ())}
    if kind == "array":
        return [_smallest(schema["items"], root) for _ in range(schema.get("minItems", 1))]
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "x")
    return {"integer": 1, "number": 1.0, "boolean": True}[kind]
