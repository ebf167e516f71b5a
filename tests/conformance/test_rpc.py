"""OCPP-J itself: frames that are none, the order of calls, and whatever text there is (OCPP-J 1.6 section 4; 2.0.1
and 2.1 part 4 section 4)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.target import Target
from tests.support.payloads import HAPPY
from tests.support.rawsocket import RawSocket

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
each_version = pytest.mark.parametrize("protocol", PROTOCOLS)

Reply = tuple[int, str, str] | None
NO_FRAME: tuple[Reply, ...] = (None, (4, "-1", "RpcFrameworkError"), (4, "-1", "RpcFrameworkError"))
NO_CALL: tuple[Reply, ...] = (
    (4, "x", "FormationViolation"),
    (4, "x", "RpcFrameworkError"),
    (4, "x", "RpcFrameworkError"),
)
NO_OBJECT: tuple[Reply, ...] = (
    (4, "x", "FormationViolation"),
    (4, "x", "FormatViolation"),
    (4, "x", "FormatViolation"),
)
NO_TYPE: tuple[Reply, ...] = (None, (4, "x", "MessageTypeNotSupported"), (4, "x", "MessageTypeNotSupported"))
UNKNOWN: tuple[Reply, ...] = ((4, "x", "NotImplemented"),) * 3
SILENCE: tuple[Reply, ...] = (None, None, None)

MALFORMED: dict[str, tuple[Reply, ...]] = {
    "": NO_FRAME,
    " ": NO_FRAME,
    "\0": NO_FRAME,
    "Heartbeat": NO_FRAME,
    "{}": NO_FRAME,
    "[]": NO_FRAME,
    "null": NO_FRAME,
    "[2]": NO_FRAME,
    '[2,"x"': NO_FRAME,
    '[2,"x","Heartbeat",{}': NO_FRAME,
    '[2,"x","Heartbeat",{}]]': NO_FRAME,
    '[2,"x","Heartbeat",{},]': NO_FRAME,
    "[2,'x','Heartbeat',{}]": NO_FRAME,
    '[2,"x","Heartbeat",{"a":NaN}]': NO_FRAME,
    '[2,"x","Heartbeat",{"a":"\\ud800"}]': NO_FRAME,
    '\ufeff[2,"x","Heartbeat",{}]': NO_FRAME,
    "[" * 100_000: NO_FRAME,
    '{"a":' * 100_000: NO_FRAME,
    '[2,7,"Heartbeat",{}]': NO_FRAME,
    '[2,null,"Heartbeat",{}]': NO_FRAME,
    '[2,"","Heartbeat",{}]': NO_FRAME,
    '[2,"x"]': NO_CALL,
    '[2,"x","Heartbeat"]': NO_CALL,
    '[2,"x","Heartbeat",{},{}]': NO_CALL,
    '[2,"x",5,{}]': NO_CALL,
    '[2,"x",null,{}]': NO_CALL,
    '[2,"x","Heartbeat",[]]': NO_OBJECT,
    '[2,"x","Heartbeat",null]': NO_OBJECT,
    '[2,"x","Heartbeat","{}"]': NO_OBJECT,
    '[2,"x","",{}]': UNKNOWN,
    '[2,"x","\\u0000",{}]': UNKNOWN,
    '[0,"x","Heartbeat",{}]': NO_TYPE,
    '[7,"x","Heartbeat",{}]': NO_TYPE,
    '[-2,"x","Heartbeat",{}]': NO_TYPE,
    '["2","x","Heartbeat",{}]': NO_TYPE,
    '[true,"x","Heartbeat",{}]': NO_TYPE,
    '[1e400,"x","Heartbeat",{}]': NO_FRAME,
    '[3,"x"]': (None, None, (5, "x", "RpcFrameworkError")),
    '[3,"x",[]]': (None, None, (5, "x", "RpcFrameworkError")),
    '[3,"never-asked",{}]': SILENCE,
    '[4,"x"]': SILENCE,
    '[4,"never-asked","GenericError","",{}]': SILENCE,
    '[5,"x","GenericError","",{}]': (*NO_TYPE[:2], None),
    '[6,"x","NotifyPeriodicEventStream",{}]': (*NO_TYPE[:2], None),
}


@each_version
@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: repr(text)[:50])
async def test_what_is_no_ocpp_is_answered_as_its_version_asks(
    target: Target, bystander: RawSocket, protocol: str, text: str
) -> None:
    expected = MALFORMED[text][PROTOCOLS.index(protocol)]
    async with target.station(protocol) as station:
        if expected is None:
            await station.send(text)
        else:
            kind, unique_id, code, description, details = await station.say(text)
            assert (kind, unique_id, code) == expected
            assert 0 < len(description) <= 255
            assert details == {}
        await station.beat()


UNUSUAL = [
    "x",
    "x" * 36,
    "x" * 37,
    "x" * 5000,
    "-1",
    " ",
    "å 🚗 \u202e",
    '"\\',
    "\0\n",
    "null",
    "'; DROP TABLE stations; --",
]


@each_version
@pytest.mark.parametrize("unique_id", UNUSUAL, ids=ascii)
async def test_answer_has_the_id_of_its_call_whatever_it_is(target: Target, protocol: str, unique_id: str) -> None:
    async with target.station(protocol) as station:
        assert (await station.call("Heartbeat", {}, unique_id))[:2] == [3, unique_id]


@each_version
async def test_space_and_escapes_are_json(target: Target, protocol: str) -> None:
    async with target.station(protocol) as station:
        message = await station.say(' \r\n[ 2 ,\t"\\u0078" , "\\u0048eartbeat" , { } ]\n')
        assert message[:2] == [3, "x"]


@each_version
async def test_calls_before_any_boot_are_served(target: Target, protocol: str) -> None:
    """Quirk 26: many stations boot once, and then only connect."""
    async with target.station(protocol) as station:
        action = "StatusNotification"
        assert await station.call(action, HAPPY[protocol][action], "1") == [3, "1", {}]


@each_version
async def test_call_while_a_call_is_pending_is_answered_in_turn(target: Target, protocol: str) -> None:
    """A station must not (OCPP-J 1.6 section 4.1.1); those that do lose nothing."""
    async with target.station(protocol) as station:
        for number, action in enumerate(sorted(HAPPY[protocol])):
            if action != "NotifyPeriodicEventStream":
                await station.send(json.dumps([2, f"p{number}-{action}", action, HAPPY[protocol][action]]))
        await station.send('[2,"last","Heartbeat",{}]')
        answered: list[str] = []
        while answered[-1:] != ["last"]:
            kind, unique_id, *_ = await station.rpc()
            assert kind == 3
            answered.append(unique_id)
        numbers = [int(unique_id[1:].partition("-")[0]) for unique_id in answered[:-1]]
        assert numbers == sorted(numbers)
        assert len(numbers) == len(HAPPY[protocol].keys() - {"NotifyPeriodicEventStream"})


async def test_repeated_start_gets_its_transaction_again_also_on_a_new_connection(target: Target) -> None:
    payload = HAPPY["ocpp1.6"]["StartTransaction"]
    found: list[Any] = []
    for unique_id in ("first", "first", "second"):
        async with target.station("ocpp1.6") as station:
            found.append((await station.call("StartTransaction", payload, unique_id))[2]["transactionId"])
    assert found[0] == found[1] == found[2] != 0


@each_version
async def test_two_calls_with_one_id_are_both_answered(target: Target, protocol: str) -> None:
    async with target.station(protocol) as station:
        assert (await station.call("Heartbeat", {}, "same"))[:2] == [3, "same"]
        action = "StatusNotification"
        assert await station.call(action, HAPPY[protocol][action], "same") == [3, "same", {}]


@each_version
@pytest.mark.parametrize("extreme", ["1e308", "-1e308", "9" * 400, "1" + "0" * 40, "-9223372036854775809"])
async def test_numbers_beyond_sense_are_refused_and_not_believed(
    target: Target, protocol: str, extreme: str
) -> None:
    action, name = ("StartTransaction", "meterStart") if protocol == "ocpp1.6" else ("TransactionEvent", "seqNo")
    text = json.dumps([2, "x", action, {**HAPPY[protocol][action], name: "HERE"}]).replace('"HERE"', extreme)
    async with target.station(protocol) as station:
        assert (await station.say(text))[0] == 4
        await station.beat()


@each_version
async def test_depth_and_width_without_end_are_answered(
    target: Target, bystander: RawSocket, protocol: str
) -> None:
    payload = HAPPY[protocol]["DataTransfer"]
    deep, wide = '{"a":' * 500 + "1" + "}" * 500, json.dumps({f"k{n}": n for n in range(20_000)})
    many = ",".join(f'"x{n}":1' for n in range(20_000))
    async with target.station(protocol) as station:
        for odd in (deep, wide):
            text = json.dumps([2, "x", "DataTransfer", {**payload, "data": "HERE"}]).replace('"HERE"', odd)
            assert (await station.say(text))[1] == "x"
        assert (await station.say(f'[2,"x","Heartbeat",{{{many}}}]'))[1] == "x"
        await station.beat()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
texts = st.one_of(
    st.text(),
    json_values.map(json.dumps),
    st.tuples(st.integers(0, 9), st.text(min_size=1), st.text(), json_values).map(json.dumps),
    st.tuples(st.just(2), st.text(min_size=1), st.sampled_from(sorted(HAPPY["ocpp2.1"])), json_values).map(
        json.dumps
    ),
)


@each_version
@given(said=st.lists(texts, min_size=5, max_size=40))
@settings(max_examples=15)
def test_whatever_is_said_the_connection_goes_on(target: Target, protocol: str, said: list[str]) -> None:
    async def attempt() -> None:
        async with target.station(protocol) as station:
            for text in said:
                await station.send(text.encode("utf-8", "replace"))
            await station.beat_at_last()

    asyncio.run(attempt())
