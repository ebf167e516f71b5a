"""ReservationStatusUpdate (OCPP 2.0.1 part 2 H04): a reservation ended without a charge."""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import ReservationReported


def _v2(ask: Ask) -> Answer:
    payload = ask.payload
    fact = ReservationReported(
        at=ask.received_at,
        reservation_id=int(payload["reservationId"]),
        status=payload["reservationUpdateStatus"],
    )
    return Answer({}, (fact,))


ACTION = Action("ReservationStatusUpdate", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
