"""Domain objects on the wire, and the OpenAPI document that describes them truly.

Responses are msgspec JSON of the domain's own structs, so the shapes of live feed, API and replay output cannot
drift apart. FastAPI knows pydantic only; `answers` gives a route the schema of its struct, with all that this
refers to, and `describe` gathers those into the document's components.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import inspect
from starlette.responses import JSONResponse

from dashboard.web.problems import MEDIA_TYPE as PROBLEM
from dashboard.web.problems import Problem

_REF = "#/components/schemas/{name}"
_PARTS = "x-components"

_SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token"},
    "session": {"type": "apiKey", "in": "cookie", "name": "laddvakt", "description": "The browser's session"},
}

_REASONS = {
    401: "Nobody is signed in, or the token is not known",
    403: "This role may not do that, or the request came from another site",
    404: "No such object",
    409: "It does not fit the object's present state",
    412: "The object has changed since it was read",
    413: "The body is too large",
    422: "A parameter or the body is not valid",
    429: "Too many wait already",
    500: "Our own failure; it is in the log",
    502: "The station answered with an error, or its connection ended",
    503: "The records cannot be reached now",
    504: "The station did not answer in time",
}


class WireResponse(JSONResponse):
    """msgspec JSON: times in RFC 3339 UTC, money as exact decimals."""

    def render(self, content: object) -> bytes:
        return msgspec.json.encode(content)


def answers(
    answer: Any, *, status: int = 200, also: dict[int, str] | None = None, errors: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Keyword arguments of a route that answers with `answer` (a struct, or a generic of one). `also` are further
    statuses with the same body; `errors` the problems it can answer beside 401, 403, 422, 500 and 503."""
    statuses = {status: "Done", **(also or {})}
    responses: dict[int | str, dict[str, Any]] = {
        code: {"description": text, "content": {"application/json": {"schema": schema_of(answer)}}}
        for code, text in statuses.items()
    }
    for code in sorted({401, 403, 422, 500, 503, *errors}):
        responses[code] = {"description": _REASONS[code], "content": {PROBLEM: {"schema": schema_of(Problem)}}}
    return {"responses": responses, "response_class": WireResponse, "response_model": None, "status_code": status}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`, with the structs of `answers` as components."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    document.setdefault("components", {})["securitySchemes"] = _SECURITY
    document["security"] = [{name: []} for name in _SECURITY]
    components = document["components"].setdefault("schemas", {})
    for place in list(_places(document)):
        components.update(place.pop(_PARTS))
    return document


def schema_of(answer: Any) -> dict[str, Any]:
    """The JSON schema of a struct, or a generic of one; what it refers to is beside it until `describe`."""
    (schema,), components = msgspec.json.schema_components([answer], ref_template=_REF)
    _sharpen(components, inspect.type_info(answer))
    return {**schema, _PARTS: components}


def _places(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema of the document that `schema_of` made."""
    if isinstance(node, dict):
        if _PARTS in node:
            yield node
            return
        for value in node.values():
            yield from _places(value)
    elif isinstance(node, list):
        for value in node:
            yield from _places(value)


def _sharpen(components: dict[str, Any], info: inspect.Type) -> None:
    """What msgspec cannot know: that we always write every field, and that a time is always RFC 3339."""
    for schema in components.values():
        if "properties" in schema:
            schema["required"] = list(schema["properties"])
            for part in schema["properties"].values():
                part.pop("default", None)
    for struct in _struct_types(info):
        schema = components.get(struct.cls.__name__, {})  # generics have another name, and no times of their own
        for field in struct.fields:
            if schema and _is_time(field.type):
                _mark_time(schema["properties"][field.encode_name])


def _struct_types(info: inspect.Type) -> list[inspect.StructType]:
    """All struct types reachable from `info`."""
    found: list[inspect.StructType] = []
    waiting: list[Any] = [info]
    while waiting:
        node = waiting.pop()
        if isinstance(node, inspect.StructType):
            if node not in found:
                found.append(node)
                waiting += [field.type for field in node.fields]
        elif isinstance(node, list | tuple):
            waiting += node
        elif isinstance(node, inspect.Type):
            waiting += [getattr(node, name) for name in node.__struct_fields__]
    return found


def _is_time(info: inspect.Type) -> bool:
    if isinstance(info, inspect.UnionType):
        return any(_is_time(part) for part in info.types)
    return isinstance(info, inspect.DateTimeType)


def _mark_time(schema: dict[str, Any]) -> None:
    for part in (schema, *schema.get("anyOf", ())):
        if part.get("type") == "string":
            part["format"] = "date-time"
