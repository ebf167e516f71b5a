"""StopTransaction (OCPP 1.6 section 4.10): a charge ends; `transactionData` may carry its meter values."""

from collector.ocpp.action import Action, Answer, Ask, Purpose
from collector.ocpp.actions.meter_values import read_meter_values
from collector.ocpp.id_token import id_tag_info, shown_16
from laddvakt.domain.facts import Fact, Measured, TransactionStopped
from laddvakt.domain.times import effective_time, parse_time


def _v16(ask: Ask) -> Answer:
    payload = ask.payload
    said = parse_time(payload["timestamp"])
    facts: list[Fact] = []
    readings, problems = read_meter_values(payload.get("transactionData") or [], ask.received_at)
    transaction = str(payload["transactionId"])
    shown = shown_16(payload["idTag"]) if payload.get("idTag") is not None else None
    if readings:
        # Values first: they belong to the transaction that the stop ends. connectorId is not said here.
        facts.append(Measured(at=readings[-1].at, connector_id=0, transaction_id=transaction, readings=readings))
    facts.extend(problems)
    facts.append(
        TransactionStopped(
            at=effective_time(said, ask.received_at),
            station_at=said,
            transaction_id=transaction,
            id_tag=shown.id_tag if shown else None,
            token_kind=shown.kind if shown else None,
            meter_stop_wh=payload["meterStop"],
            reason=payload.get("reason", "Local"),
        )
    )
    if shown is None:
        return Answer({}, tuple(facts))
    purpose = Purpose(ask.station_id, stops=transaction)
    verdict = ask.policy.authorize(shown, purpose, ask.received_at)
    return Answer({"idTagInfo": id_tag_info(verdict)}, tuple(facts))


ACTION = Action("StopTransaction", {"ocpp1.6": _v16})
