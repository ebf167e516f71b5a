"""OCPP-J frames: every text is a frame or a FrameError, nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ocpp.frames import (
    Call,
    CallError,
    CallResult,
    CallResultError,
    Send,
    call_error,
    call_result,
    call_result_error,
    parse,
)
from laddvakt.domain.errors import FrameError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def test_parse_reads_each_kind() -> None:
    assert parse('[2,"1","Heartbeat",{}]') == Call("1", "Heartbeat", {})
    assert parse('[3,"1",{"a":1}]') == CallResult("1", {"a": 1})
    assert parse('[4,"1","GenericError","why",{}]') == CallError("1", "GenericError", "why", {})
    assert parse('[5,"1","FormatViolation","why",{}]') == CallResultError("1", "FormatViolation", "why", {})
    assert parse('[6,"1","NotifyPeriodicEventStream",{}]') == Send("1", "NotifyPeriodicEventStream", {})


def test_parse_a_call_error_without_details() -> None:
    assert parse('[4,"1","GenericError",""]') == CallError("1", "GenericError", "", {})


@pytest.mark.parametrize(
    ("text", "kind", "unique_id"),
    [
        ("", None, None),
        ("{}", None, None),
        ("[]", None, None),
        ("[2]", 2, None),
        ('[2,"7"]', 2, "7"),
        ('[2,"7","Heartbeat"]', 2, "7"),
        ('[2,7,"Heartbeat",{}]', 2, None),
        ('[2,"7",5,{}]', 2, "7"),
        ('[3,"7"]', 3, "7"),
        ('[4,"7"]', 4, "7"),
        ('[5,"7"]', 5, "7"),
        ('[6,"7","Heartbeat"]', 6, "7"),
        ("[" * 100_000, None, None),
        ('[2,"7","Heartbeat",{]', None, None),
    ],
)
def test_parse_says_what_is_wrong_and_whom_to_answer(text: str, kind: int | None, unique_id: str | None) -> None:
    with pytest.raises(FrameError) as caught:
        parse(text)
    assert (caught.value.kind, caught.value.unique_id) == (kind, unique_id)
    assert caught.value.code == "FormationViolation"


@pytest.mark.parametrize("kind", [2, 6])
@pytest.mark.parametrize("payload", ["[]", "null", '"{}"', "0"])
def test_parse_says_that_a_payload_is_no_object(kind: int, payload: str) -> None:
    with pytest.raises(FrameError) as caught:
        parse(f'[{kind},"7","Heartbeat",{payload}]')
    assert (caught.value.code, caught.value.kind, caught.value.unique_id) == ("FormatViolation", kind, "7")


@pytest.mark.parametrize("kind", ["9", "-1", "true", '"2"', "null", "2.5", "[2]"])
def test_parse_says_that_a_message_type_does_not_exist(kind: str) -> None:
    with pytest.raises(FrameError) as caught:
        parse(f'[{kind},"7","Heartbeat",{{}}]')
    assert (caught.value.kind, caught.value.unique_id) == (None, "7")
    assert caught.value.code == "MessageTypeNotSupported"


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_parse_never_fails_otherwise(text: str | bytes) -> None:
    try:
        parse(text)
    except FrameError as error:
        assert error.message


@given(st.text(min_size=1, max_size=36), st.dictionaries(st.text(), json_values, max_size=5))
def test_parse_undoes_call_result(unique_id: str, payload: dict[str, object]) -> None:
    frame = parse(call_result(unique_id, payload))
    assert isinstance(frame, CallResult)
    assert frame.unique_id == unique_id


@given(st.text(min_size=1, max_size=36), st.text(max_size=600))
def test_call_error_is_a_frame_of_bounded_length(unique_id: str, description: str) -> None:
    frame = parse(call_error(unique_id, "InternalError", description))
    assert isinstance(frame, CallError)
    assert len(frame.description) <= 255
    assert isinstance(parse(call_result_error(unique_id, "InternalError", description)), CallResultError)
