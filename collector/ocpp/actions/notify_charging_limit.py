"""NotifyChargingLimit (OCPP 2.0.1 part 2 K12): an outside source limits the station."""

from collector.ocpp.action import Action, Answer, Ask
from collector.ocpp.evse import connector_number, evse_number
from laddvakt.domain.facts import ChargingLimitReported


def _v2(ask: Ask) -> Answer:
    evse_id, limit = ask.payload.get("evseId"), ask.payload["chargingLimit"]
    fact = ChargingLimitReported(
        at=ask.received_at,
        source=limit["chargingLimitSource"],
        connector_id=connector_number(evse_id or 0),
        evse_id=evse_number(evse_id),
        grid_critical=limit.get("isGridCritical"),
    )
    return Answer({}, (fact,))


ACTION = Action("NotifyChargingLimit", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
