"""ClearedChargingLimit (OCPP 2.0.1 part 2 K13): the limit of an outside source is gone."""

from collector.ocpp.action import Action, Answer, Ask
from collector.ocpp.evse import connector_number, evse_number
from laddvakt.domain.facts import ChargingLimitReported


def _v2(ask: Ask) -> Answer:
    evse_id = ask.payload.get("evseId")
    fact = ChargingLimitReported(
        at=ask.received_at,
        source=ask.payload["chargingLimitSource"],
        connector_id=connector_number(evse_id or 0),
        evse_id=evse_number(evse_id),
        cleared=True,
    )
    return Answer({}, (fact,))


ACTION = Action("ClearedChargingLimit", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
