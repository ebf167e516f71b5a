"""NotifyEvent (OCPP 2.0.1 part 2 N07): monitored variables and faults. Faults' names travel in `techCode` and
`techInfo`; OCPP 2.1 may also report a connector's status this way (G01)."""

from typing import Any

from collector.ocpp.action import Action, Answer, Ask
from collector.ocpp.actions.status_notification import mrec_codes, state_of
from collector.ocpp.evse import numbers_of
from laddvakt.domain.facts import EventReported, Fact, StatusReported
from laddvakt.domain.times import effective_time, parse_time

_BIGGEST = 2**31 - 1


def _small(number: object) -> int | None:
    """A number as meant; 2.0.1 does not know severity, so there it may be anything."""
    return int(number) if isinstance(number, int | float) and abs(number) <= _BIGGEST else None


def _facts(ask: Ask, event: dict[str, Any]) -> list[Fact]:
    component, variable = event["component"]["name"], event["variable"]["name"]
    connector_id, evse_id = numbers_of(event["component"].get("evse"))
    at = effective_time(parse_time(event["timestamp"]), ask.received_at)
    reported = EventReported(
        at=at,
        component=component,
        variable=variable,
        connector_id=connector_id,
        evse_id=evse_id,
        event_id=_small(event["eventId"]),
        trigger=event["trigger"],
        value=event["actualValue"],
        cleared=event.get("cleared", False),
        tech_code=event.get("techCode"),
        tech_info=event.get("techInfo"),
        severity=_small(event.get("severity")),
        transaction_id=event.get("transactionId"),
        mrec=mrec_codes(event.get("techCode"), event.get("techInfo")),
    )
    if (component, variable) != ("Connector", "AvailabilityState") or not connector_id:
        return [reported]
    status, word = state_of(event["actualValue"])
    known = StatusReported(at=at, connector_id=connector_id, evse_id=evse_id, status=status, reported=word)
    return [reported, known]


def _v2(ask: Ask) -> Answer:
    return Answer({}, tuple(fact for event in ask.payload["eventData"] for fact in _facts(ask, event)))


ACTION = Action("NotifyEvent", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
