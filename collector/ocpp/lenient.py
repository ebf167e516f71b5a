"""Requests that break the specification, read where their sense is plain (or, strictly, not at all). Pure.

What conforms never comes here. Mended are a missing array around an object, a number as a text and the reverse,
and `null` for what is not said; tolerated as they are: extra fields, words outside an enum, over-long texts. Some
stations speak one version and negotiate another: their messages are read by the version that they conform to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from collector.ocpp import schemas
from collector.ocpp.actions import ACTIONS
from collector.ocpp.schemas import Violation

_OTHER = {"ocpp1.6": "ocpp2.0.1", "ocpp2.0.1": "ocpp1.6", "ocpp2.1": "ocpp1.6"}
_NOTED = 5  # breaches of one message that are named


class Readable(NamedTuple):
    """A request as it is read: by which version, the payload as mended, and what was odd."""

    protocol: str
    payload: dict[str, Any]
    odd: tuple[str, ...]


def other_version(protocol: str, action: str) -> str | None:
    """The version that knows an action which the negotiated one does not."""
    other = _OTHER.get(protocol)
    known = other is not None and action in ACTIONS and other in ACTIONS[action].versions
    return other if known else None


def read(protocol: str, action: str, payload: dict[str, Any], *, strict: bool) -> Readable | Violation:
    """A request that its schema refuses: as it can be read, or the first breach that cannot be mended (strictly:
    the first of all)."""
    validator = schemas.request_validator(protocol, action)
    found = list(schemas.violations(validator, payload))
    if strict or found[0].code == schemas.TOO_DEEP:
        return found[0]
    odd = tuple(f"{action} {violation.message}" for violation in found[:_NOTED])
    if all(violation.tolerable for violation in found):
        return Readable(protocol, payload, odd)
    another_shape = any(violation.code == schemas.MISSING for violation in found)
    other = other_version(protocol, action) if another_shape else None
    if other is not None and schemas.conforms(schemas.request_validator(other, action), payload):
        return Readable(other, payload, (f"{action} is of {other}",))
    mended = schemas.mended(validator, payload)
    left = [violation for violation in schemas.violations(validator, mended) if not violation.tolerable]
    return left[0] if left else Readable(protocol, mended, odd)
