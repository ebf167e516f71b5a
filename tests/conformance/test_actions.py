"""Every action that a station may call, happy and broken in every way that its schema knows: each reply holds to
the official schema, with its keys in the order of the specification."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.ocpp import schemas
from collector.ocpp.directions import FROM_CENTRAL_SYSTEM, FROM_STATION
from tests.conformance.orders import ORDERS, SCHEMA, misplaced
from tests.conformance.target import Target
from tests.conformance.variants import READ_ALL_THE_SAME, REFUSED, Variant, schema, variants
from tests.support.payloads import HAPPY

PROTOCOLS = sorted(HAPPY)
CALLS = [
    (protocol, action)
    for protocol in PROTOCOLS
    for action in sorted(HAPPY[protocol])
    if action not in schemas.SENT
]
ECHOES = {"GetCertificateChainStatus", "VatNumberValidation"}
"""Their replies repeat a part of the request: where that breaks the schema, there is no reply by the schema."""

BROKEN = [(protocol, action) for protocol, action in CALLS if HAPPY[protocol][action]]


def spelled(protocol: str, code: str) -> str:
    """1.6 spells two codes its own way (OCPP-J 1.6 section 4.2.3)."""
    if protocol != "ocpp1.6":
        return code
    return code.replace("Occurrence", "Occurence").replace("FormatViolation", "FormationViolation")


def check_result(protocol: str, action: str, message: Any, unique_id: str) -> None:
    assert message[:2] == [3, unique_id], message
    assert len(message) == 3
    schemas.response_validator(protocol, action).validate(message[2])
    assert misplaced(protocol, action, message[2]) is None


def check_error(protocol: str, message: Any, unique_id: str, code: str) -> None:
    kind, answered, said, description, details = message
    assert (kind, answered, said) == (4, unique_id, spelled(protocol, code)), message
    assert 0 < len(description) <= 255
    assert details == {}


def test_the_suite_knows_every_action() -> None:
    assert {protocol: set(actions) for protocol, actions in HAPPY.items()} == FROM_STATION


@pytest.mark.parametrize("order", [order for order in ORDERS if order.source == SCHEMA], ids=str)
def test_orders_are_those_of_the_schemas(order: Any) -> None:
    for protocol in order.protocols:
        found = []
        for action in [order.name] if order.name[0].isupper() else HAPPY[protocol]:
            if action not in schemas.SENT:
                found += list(objects(schema(protocol, f"{action}Response"), order.name))
        assert found
        for properties in found:
            assert [key for key in properties if key in order.keys] == list(order.keys)


def objects(root: dict[str, Any], name: str) -> list[list[str]]:
    """The keys of the objects of that name in a schema: of the root for an action, otherwise of a property."""
    if name[0].isupper():
        return [list(root["properties"])]
    found = []
    for rule in [root, *root.get("definitions", {}).values()]:
        below = rule.get("properties", {}).get(name, {})
        below = below.get("items", below)
        reference = below.get("$ref", "").rpartition("/")[2]
        below = root["definitions"][reference] if reference else below
        if "properties" in below:
            found.append(list(below["properties"]))
    return found


@pytest.mark.parametrize(("protocol", "action"), CALLS)
async def test_happy_call_is_answered_by_schema_and_in_order(target: Target, protocol: str, action: str) -> None:
    async with target.station(protocol) as station:
        check_result(protocol, action, await station.call(action, HAPPY[protocol][action], "h1"), "h1")
        check_result(protocol, action, await station.call(action, HAPPY[protocol][action], "h1"), "h1")


@pytest.mark.parametrize(("protocol", "action"), BROKEN)
async def test_broken_call_is_refused_by_code_or_read_all_the_same(
    target: Target, protocol: str, action: str
) -> None:
    async with target.station(protocol) as station:
        tried = list(variants(protocol, action, HAPPY[protocol][action]))
        assert {"missing", "wrong type"} <= {variant.kind for variant in tried}
        for number, variant in enumerate(tried):
            message = await station.call(action, variant.payload, f"b{number}")
            check_variant(protocol, action, variant, message, f"b{number}")


def check_variant(protocol: str, action: str, variant: Variant, message: Any, unique_id: str) -> None:
    named = f"{variant.kind} at {variant.where}"
    # A sampled value that cannot be read is set aside, and the others are read.
    aside = variant.kind == "wrong type" and variant.where.endswith(".value")
    try:
        if action in ECHOES and message[0] == 4:
            plain = variant.kind in READ_ALL_THE_SAME
            code = "PropertyConstraintViolation" if plain else REFUSED[variant.kind]
            check_error(protocol, message, unique_id, code)
        elif variant.kind in READ_ALL_THE_SAME or aside:
            check_result(protocol, action, message, unique_id)
        else:
            check_error(protocol, message, unique_id, REFUSED[variant.kind])
    except AssertionError as error:
        raise AssertionError(f"{named}: {error}") from None


@pytest.mark.parametrize(("protocol", "action"), BROKEN)
async def test_strict_collector_refuses_every_breach_by_code(strict: Target, protocol: str, action: str) -> None:
    async with strict.station(protocol) as station:
        check_result(protocol, action, await station.call(action, HAPPY[protocol][action], "h1"), "h1")
        for number, variant in enumerate(variants(protocol, action, HAPPY[protocol][action])):
            message = await station.call(action, variant.payload, f"b{number}")
            try:
                check_error(protocol, message, f"b{number}", REFUSED[variant.kind])
            except AssertionError as error:
                raise AssertionError(f"{variant.kind} at {variant.where}: {error}") from None


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_action_of_the_central_system_is_known_and_not_served(target: Target, protocol: str) -> None:
    async with target.station(protocol) as station:
        for number, action in enumerate(sorted(FROM_CENTRAL_SYSTEM[protocol] - FROM_STATION[protocol])):
            check_error(protocol, await station.call(action, {}, f"c{number}"), f"c{number}", "NotSupported")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_action_that_the_version_does_not_have_is_not_implemented(target: Target, protocol: str) -> None:
    others = {action for actions in FROM_STATION.values() for action in actions} - schemas.actions(protocol)
    async with target.station(protocol) as station:
        for number, action in enumerate(["MakeCoffee", "heartbeat", "HeartbeatRequest", "", *sorted(others)]):
            check_error(protocol, await station.call(action, {}, f"n{number}"), f"n{number}", "NotImplemented")


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("NotifyPeriodicEventStream", HAPPY["ocpp2.1"]["NotifyPeriodicEventStream"]),
        ("NotifyPeriodicEventStream", {}),
        ("NotifyPeriodicEventStream", []),
        ("TransactionEvent", HAPPY["ocpp2.1"]["TransactionEvent"]),
        ("MakeCoffee", {}),
    ],
)
async def test_send_is_never_answered(target: Target, action: str, payload: object) -> None:
    async with target.station("ocpp2.1") as station:
        await station.send(json.dumps([6, "s1", action, payload]))
        await station.beat()
