"""Text <-> frames: Call, CallResult, CallError (OCPP-J 1.6 section 4.2), and Send and CallResultError, which OCPP
2.1 adds (2.1 part 4 section 4.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from laddvakt.domain.errors import FrameError

MAX_UNIQUE_ID = 36  # OCPP-J 1.6 section 4.1.4


class Call(NamedTuple):
    """[2, uniqueId, action, payload]"""

    unique_id: str
    action: str
    payload: dict[str, Any]


class CallResult(NamedTuple):
    """[3, uniqueId, payload]"""

    unique_id: str
    payload: dict[str, Any]


class CallError(NamedTuple):
    """[4, uniqueId, errorCode, errorDescription, errorDetails]"""

    unique_id: str
    code: str
    description: str
    details: dict[str, Any]


class CallResultError(NamedTuple):
    """[5, uniqueId, errorCode, errorDescription, errorDetails]: a CALLRESULT could not be used (OCPP 2.1)."""

    unique_id: str
    code: str
    description: str
    details: dict[str, Any]


class Send(NamedTuple):
    """[6, uniqueId, action, payload]: like a CALL, never answered (OCPP 2.1)."""

    unique_id: str
    action: str
    payload: dict[str, Any]


Frame = Call | CallResult | CallError | CallResultError | Send

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def parse(text: str | bytes) -> Frame:
    """A frame from its text. Raises FrameError with the CALLERROR code and, where they could be read, the message
    type and the unique id."""
    try:
        message = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FrameError("FormationViolation", f"not JSON: {error}") from error
    if not isinstance(message, list) or not message:
        raise FrameError("FormationViolation", "an OCPP-J message is a JSON array that begins with its type")
    unique_id = message[1] if len(message) > 1 and isinstance(message[1], str) else None
    kind = message[0]
    if kind in (2, 6) and len(message) == 4:
        _, _, action, payload = message
        if unique_id and isinstance(action, str):
            if not isinstance(payload, dict):
                raise FrameError("FormatViolation", "the payload must be an object", unique_id, kind)
            return Call(unique_id, action, payload) if kind == 2 else Send(unique_id, action, payload)
    elif kind == 3 and len(message) == 3 and unique_id and isinstance(message[2], dict):
        return CallResult(unique_id, message[2])
    elif kind in (4, 5) and len(message) >= 4 and unique_id:
        details = message[4] if len(message) > 4 and isinstance(message[4], dict) else {}
        shape = CallError if kind == 4 else CallResultError
        return shape(unique_id, str(message[2]), str(message[3]), details)
    raise _misshapen(kind, unique_id)


_SHAPES = {
    2: "a CALL is [2, uniqueId, action, payload] with a text id, a text action and an object payload",
    3: "a CALLRESULT is [3, uniqueId, payload]",
    4: "a CALLERROR is [4, uniqueId, errorCode, errorDescription, errorDetails]",
    5: "a CALLRESULTERROR is [5, uniqueId, errorCode, errorDescription, errorDetails]",
    6: "a SEND is [6, uniqueId, action, payload] with a text id, a text action and an object payload",
}


def _misshapen(kind: object, unique_id: str | None) -> FrameError:
    if isinstance(kind, int) and kind in _SHAPES:
        return FrameError("FormationViolation", _SHAPES[kind], unique_id, kind)
    return unknown_type(kind, unique_id)


def unknown_type(kind: object, unique_id: str | None) -> FrameError:
    """For a frame whose message type the protocol version does not have."""
    return FrameError("MessageTypeNotSupported", f"there is no message type {str(kind)[:40]}", unique_id)


def call(unique_id: str, action: str, payload: dict[str, Any]) -> str:
    """The text of a CALL. Raises ValueError or TypeError for a payload that JSON cannot carry."""
    return _encode((2, unique_id, action, payload)).decode()


def answer(frame: CallResult | CallError) -> str:
    """The text of a CALLRESULT or CALLERROR, whole."""
    return _encode((3 if isinstance(frame, CallResult) else 4, *frame)).decode()


def call_result(unique_id: str, payload: dict[str, Any]) -> str:
    """The text of a CALLRESULT."""
    return _encode((3, unique_id, payload)).decode()


# OCPP 1.6 spells one code its own way, and has one for what 2.x splits (2.0.1 part 4 section 4.3)
_CODES_1_6 = {"FormatViolation": "FormationViolation"}
_CODES_2_X = {
    "OccurenceConstraintViolation": "OccurrenceConstraintViolation",
    "FormationViolation": "RpcFrameworkError",
}


def error_code(protocol: str, code: str) -> str:
    """A CALLERROR code of OCPP 1.6 in the words of a protocol version."""
    return (_CODES_1_6 if protocol == "ocpp1.6" else _CODES_2_X).get(code, code)


def call_error(unique_id: str, code: str, description: str) -> str:
    """The text of a CALLERROR; the description is cut at 255 characters as the specification allows."""
    return _encode((4, unique_id, code, description[:255], {})).decode()


def call_result_error(unique_id: str, code: str, description: str) -> str:
    """The text of a CALLRESULTERROR (OCPP 2.1): tells a station that its answer cannot be used."""
    return _encode((5, unique_id, code, description[:255], {})).decode()
