"""NotifyReport (OCPP 2.0.1 part 2 B07): the device model, one fact per attribute of a variable."""

from collections.abc import Iterator
from typing import Any

from collector.ocpp.action import Action, Answer, Ask
from collector.ocpp.answers import value_of
from collector.ocpp.evse import numbers_of
from laddvakt.domain.facts import VariableReported
from laddvakt.domain.times import effective_time, parse_time


def _facts(ask: Ask, data: dict[str, Any]) -> Iterator[VariableReported]:
    at = effective_time(parse_time(ask.payload["generatedAt"]), ask.received_at)
    component, variable = data["component"], data["variable"]
    connector_id, evse_id = numbers_of(component.get("evse"))
    for attribute in data["variableAttribute"]:
        yield VariableReported(
            at=at,
            component=component["name"],
            component_instance=component.get("instance"),
            variable=variable["name"],
            variable_instance=variable.get("instance"),
            evse_id=evse_id,
            connector_id=connector_id,
            attribute=attribute.get("type", "Actual"),
            value=value_of(variable["name"], attribute.get("value")),
            mutability=attribute.get("mutability", "ReadWrite"),
            unit=data.get("variableCharacteristics", {}).get("unit"),
        )


def _v2(ask: Ask) -> Answer:
    return Answer({}, tuple(fact for data in ask.payload.get("reportData", ()) for fact in _facts(ask, data)))


ACTION = Action("NotifyReport", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
