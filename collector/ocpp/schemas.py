"""The official JSON schemas (shipped in the `ocpp` package), compiled once on first use.

Lenient by design: what the official schema refuses is still read when its sense is plain (extra fields, words
outside an enum, over-long texts, numbers where the schema wants a text), and flagged as non-conforming. What
lacks a required part or has a wrong type is refused.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec

_FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}

# kind of schema violation -> CALLERROR code of OCPP-J 1.6 section 4.2.3 (its own spelling)
_ERROR_CODES = {
    "Required": "OccurenceConstraintViolation",
    "MinItems": "OccurenceConstraintViolation",
    "MaxItems": "OccurenceConstraintViolation",
    "Type": "TypeConstraintViolation",
    "AdditionalProperties": "FormatViolation",
}
SENT = frozenset({"NotifyPeriodicEventStream"})
"""Actions of OCPP 2.1 that travel as SEND: they have no response."""

_DEPTH = 6  # of arrays that a request may lack, one inside the other
_TOLERATED = {"AdditionalProperties", "Enum", "MaxLength", "Format", "MultipleOf"}


MISSING = "OccurenceConstraintViolation"
"""The code of a payload without a part that it must have."""

TOO_DEEP = "FormationViolation"
"""The code of a payload that is nested deeper than can be looked at."""


class Violation(NamedTuple):
    """One breach of the schema. `code` is the CALLERROR code in the words of 1.6 (frames.py has the others');
    `tolerable`: it can be read all the same."""

    code: str
    message: str
    tolerable: bool


@cache
def actions(protocol: str) -> frozenset[str]:
    """Every action that a protocol version knows, in either direction."""
    folder = files("ocpp") / _FOLDERS[protocol] / "schemas"
    names = (entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))
    suffix = "" if protocol == "ocpp1.6" else "Request"
    return frozenset(name.removesuffix(suffix) for name in names if not name.endswith("Response"))


@cache
def _validator(protocol: str, name: str) -> Any:
    text = (files("ocpp") / _FOLDERS[protocol] / "schemas" / f"{name}.json").read_text("utf-8-sig")
    return jsonschema_rs.validator_for(msgspec.json.decode(text))


def request_validator(protocol: str, action: str) -> Any:
    """The compiled validator of an action's request. `is_valid(payload)` is the fast way to a plain yes."""
    return _validator(protocol, action if protocol == "ocpp1.6" or action in SENT else f"{action}Request")


def response_validator(protocol: str, action: str) -> Any:
    """The compiled validator of an action's response."""
    return _validator(protocol, f"{action}Response")


# The schemas say "integer" and no more. Beyond these nothing sensible is meant, and stores would choke.
_BOUNDS = {
    "connectorId": 9_999,
    "transactionId": 2**31 - 1,  # a signed 32-bit number in every station's firmware
    "reservationId": 2**31 - 1,
    "meterStart": 2**53,  # Wh; the largest integer that JSON carries exactly everywhere
    "meterStop": 2**53,
    "evseId": 999,  # see evse.py
    "seqNo": 2**31 - 1,
}
_NUMBER = (int, float)
_BOUNDS_INSIDE = {
    "evse": {"id": 999, "connectorId": 999},
    "transactionInfo": {"remoteStartId": 2**31 - 1},
}


def out_of_bounds(payload: dict[str, Any]) -> Violation | None:
    """The first number of a request that is far outside anything meant."""
    found = _beyond(payload, _BOUNDS)
    for name, bounds in _BOUNDS_INSIDE.items():
        inner = payload.get(name)
        if found is None and isinstance(inner, dict):
            found = _beyond(inner, bounds)
    return found


def _beyond(values: dict[str, Any], bounds: dict[str, int]) -> Violation | None:
    for name, value in values.items():  # few: the schema has been held against them
        most = bounds.get(name)
        if most is not None and isinstance(value, _NUMBER) and not abs(value) <= most:
            return Violation("PropertyConstraintViolation", f"{name}: {str(value)[:40]} is out of range", False)
    return None


def conforms(validator: Any, payload: dict[str, Any]) -> bool:
    """A plain yes or no, the fast way."""
    try:
        return bool(validator.is_valid(payload))
    except ValueError:  # nested deeper than the validator goes
        return False


def violations(validator: Any, payload: dict[str, Any]) -> Iterator[Violation]:
    """What the schema says against a payload."""
    try:
        errors = validator.iter_errors(payload)
    except ValueError as too_deep:  # nested deeper than the validator goes
        yield Violation(TOO_DEEP, f"payload: {too_deep}", False)
        return
    for error in errors:
        kind = type(error.kind).__name__
        path = ".".join(str(part) for part in error.instance_path) or "payload"
        number_as_text = kind == "Type" and bool(error.instance_path) and error.instance_path[-1] == "value"
        tolerable = kind in _TOLERATED or number_as_text
        message = error.message if len(error.message) <= 160 else error.message[:157] + "..."
        yield Violation(_ERROR_CODES.get(kind, "PropertyConstraintViolation"), f"{path}: {message}", tolerable)


_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMERIC = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")


def mended(validator: Any, payload: dict[str, Any]) -> dict[str, Any]:
    """A copy of a payload with the types that the schema asks for, where the sense is plain. An object in an
    array's place may have more to mend inside."""
    payload = copy.deepcopy(payload)
    for _ in range(_DEPTH):
        wrong = [error for error in validator.iter_errors(payload) if type(error.kind).__name__ == "Type"]
        if not sum(_mend(payload, error.instance_path, set(error.kind.types)) for error in wrong):
            break
    return payload


def _mend(payload: Any, path: list[str | int], types: set[str]) -> bool:
    """Whether something was mended at `path`, in place."""
    if not path:
        return False
    inside: Any = payload
    for step in path[:-1]:
        inside = inside[step]
    key = path[-1]
    if isinstance(inside, dict) and key not in inside:
        return False
    value = inside[key]
    if value is None and isinstance(inside, dict):
        del inside[key]
    elif isinstance(value, dict) and "array" in types:
        inside[key] = [value]
    elif isinstance(value, str) and "integer" in types and _INTEGER.fullmatch(value.strip()):
        inside[key] = int(value.strip())
    elif isinstance(value, str) and "number" in types and _NUMERIC.fullmatch(value.strip()):
        inside[key] = float(value.strip())
    elif isinstance(value, int | float) and not isinstance(value, bool) and "string" in types:
        inside[key] = str(value)
    else:
        return False
    return True
