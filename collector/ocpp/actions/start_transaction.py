"""StartTransaction (OCPP 1.6 section 4.8): a charge begins. A retry gets the same transaction id again."""

from collector.ocpp.action import Action, Answer, Ask, Purpose
from collector.ocpp.id_token import id_tag_info, shown_16
from laddvakt.domain.facts import TransactionStarted
from laddvakt.domain.ids import transaction_id
from laddvakt.domain.times import effective_time, parse_time


def _v16(ask: Ask) -> Answer:
    payload = ask.payload
    said = parse_time(payload["timestamp"])
    number = ask.policy.recorded_transaction(ask.station_id, ask.unique_id)
    if number is None:
        number = transaction_id(
            ask.station_id,
            payload["connectorId"],
            payload["idTag"],
            payload["timestamp"],
            payload["meterStart"],
        )
    shown = shown_16(payload["idTag"])
    purpose = Purpose(ask.station_id, connector_id=payload["connectorId"], starts=str(number))
    verdict = ask.policy.authorize(shown, purpose, ask.received_at)
    fact = TransactionStarted(
        at=effective_time(said, ask.received_at),
        station_at=said,
        connector_id=payload["connectorId"],
        transaction_id=str(number),
        id_tag=payload["idTag"],
        token_kind=shown.kind,
        refused=verdict.refused,
        meter_start_wh=payload["meterStart"],
        reservation_id=payload.get("reservationId"),
    )
    return Answer({"idTagInfo": id_tag_info(verdict), "transactionId": number}, (fact,))


ACTION = Action("StartTransaction", {"ocpp1.6": _v16})
