"""What a station's answers to our calls say beside their status: its settings, as it tells or takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from collector.ocpp.evse import numbers_of
from laddvakt.domain.facts import VariableReported
from laddvakt.privacy import names_secret

Payload = dict[str, Any]


def variables(action: str, request: Payload, answer: Payload, now: datetime) -> tuple[VariableReported, ...]:
    """Both payloads hold to the official schema, but for what is plain all the same."""
    read = _READERS.get(action)
    return () if read is None else tuple(read(request, answer, now))


def value_of(name: str, said: object) -> str | None:
    """A setting's value as text; never a secret, which some stations tell although it is write-only."""
    return None if said is None or names_secret(name) else str(said)


def _configuration(_: Payload, answer: Payload, now: datetime) -> Iterator[VariableReported]:
    """GetConfiguration (OCPP 1.6 section 5.8): keys have no component."""
    for key in answer.get("configurationKey", ()):
        yield VariableReported(
            at=now,
            component="",
            variable=key["key"],
            value=value_of(key["key"], key.get("value")),
            mutability="ReadOnly" if key["readonly"] else "ReadWrite",
        )


def _changed(request: Payload, answer: Payload, now: datetime) -> Iterator[VariableReported]:
    """ChangeConfiguration (OCPP 1.6 section 5.3); what needs a reboot is not in force yet."""
    if answer["status"] == "Accepted":
        name = request["key"]
        yield VariableReported(
            at=now, component="", variable=name, value=value_of(name, request["value"]), mutability=None
        )


def _got(_: Payload, answer: Payload, now: datetime) -> Iterator[VariableReported]:
    """GetVariables (OCPP 2.0.1 part 2 B06)."""
    for result in answer["getVariableResult"]:
        if result["attributeStatus"] == "Accepted":
            yield _variable(result, result.get("attributeValue"), now)


def _set(request: Payload, answer: Payload, now: datetime) -> Iterator[VariableReported]:
    """SetVariables (OCPP 2.0.1 part 2 B05): the results come in any order."""
    asked = {_key(data): data["attributeValue"] for data in request["setVariableData"]}
    for result in answer["setVariableResult"]:
        if result["attributeStatus"] == "Accepted" and _key(result) in asked:
            yield _variable(result, asked[_key(result)], now)


def _key(data: Payload) -> tuple[object, ...]:
    component, variable = data["component"], data["variable"]
    where = numbers_of(component.get("evse"))
    names = component["name"], component.get("instance"), variable["name"], variable.get("instance")
    return (*names, *where, data.get("attributeType", "Actual"))


def _variable(data: Payload, value: object, now: datetime) -> VariableReported:
    component, variable = data["component"], data["variable"]
    connector_id, evse_id = numbers_of(component.get("evse"))
    return VariableReported(
        at=now,
        component=component["name"],
        component_instance=component.get("instance"),
        variable=variable["name"],
        variable_instance=variable.get("instance"),
        evse_id=evse_id,
        connector_id=connector_id,
        attribute=data.get("attributeType", "Actual"),
        value=value_of(variable["name"], value),
        mutability=None,
    )


_READERS: dict[str, Callable[[Payload, Payload, datetime], Iterator[VariableReported]]] = {
    "ChangeConfiguration": _changed,
    "GetConfiguration": _configuration,
    "GetVariables": _got,
    "SetVariables": _set,
}
