"""TransactionEvent (OCPP 2.0.1 part 2 E01-E16): a transaction starts, goes on or ends. The station names the
transaction and numbers its events; they may come late, twice and in any order.

`totalCost` is answered where it is known: prices are worked out behind the event log, so it is a little old, and
the final one is known only when a station says the end again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from collector.ocpp.action import ACCEPTED, Action, Answer, Ask, Purpose, Verdict
from collector.ocpp.actions.meter_values import read_meter_values
from collector.ocpp.evse import numbers_of
from collector.ocpp.id_token import id_token_info, is_free, shown_2
from laddvakt.domain.facts import (
    Fact,
    Measured,
    NonConforming,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.readings import Reading
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.times import effective_time, parse_time
from laddvakt.domain.tokens import TokenKind

# ChargingStateEnumType -> what the connector does
_CHARGING_STATES = {
    "Charging": ConnectorState.CHARGING,
    "EVConnected": ConnectorState.PREPARING,
    "SuspendedEV": ConnectorState.SUSPENDED_EV,
    "SuspendedEVSE": ConnectorState.SUSPENDED_EVSE,
    "Idle": ConnectorState.PREPARING,  # authorised, no vehicle yet, or no longer
}
_STOPS = {"StopAuthorized", "Deauthorized"}  # triggerReason: the token is shown to stop
_NOT_COUNTED = "TransactionEvent: seqNo is 0 again after the start; this station does not number its events"


_BEGIN, _END = "Transaction.Begin", "Transaction.End"
_MOST_WH = 2**53  # beyond it nothing is meant


def _register(readings: tuple[Reading, ...], context: str) -> int | None:
    """The energy register of a context; where none has it, the first for the begin and the last for the end."""
    registers = [r for r in readings if r.field == "energy_wh" and r.location in ("", "Outlet")]
    registers = sorted((r for r in registers if abs(r.value) <= _MOST_WH), key=lambda r: r.at)
    named = [r for r in registers if r.context == context]
    chosen = named or [r for r in registers if r.context not in (_BEGIN, _END)]
    return round(chosen[0 if context == _BEGIN else -1].value) if chosen else None


def _verdict(ask: Ask) -> Verdict | None:
    """What is answered about the token; None where the event names none."""
    payload = ask.payload
    id_token = payload.get("idToken")
    if id_token is None:
        return None
    if is_free(id_token):
        return ACCEPTED
    connector_id, _ = numbers_of(payload.get("evse"))
    transaction = payload["transactionInfo"]["transactionId"]
    stops = payload["eventType"] == "Ended" or payload["triggerReason"] in _STOPS
    purpose = Purpose(
        ask.station_id, connector_id, starts=None if stops else transaction, stops=transaction if stops else None
    )
    return ask.policy.authorize(shown_2(id_token), purpose, ask.received_at)


def _reported(ask: Ask, at: datetime, verdict: Verdict | None) -> TransactionReported:
    payload = ask.payload
    info = payload["transactionInfo"]
    connector_id, evse_id = numbers_of(payload.get("evse"))
    id_token = payload.get("idToken")
    kind = shown_2(id_token).kind if id_token else None
    if kind is None and "remoteStartId" in info:
        kind = TokenKind.APP
    return TransactionReported(
        at=at,
        transaction_id=info["transactionId"],
        event=payload["eventType"],
        seq_no=int(payload["seqNo"]),
        trigger=payload["triggerReason"],
        offline=payload.get("offline", False),
        connector_id=connector_id,
        evse_id=evse_id,
        id_tag=(id_token or {}).get("idToken") or None,
        token_kind=kind,
        refused=verdict.refused if verdict else None,
        charging_state=_CHARGING_STATES.get(info.get("chargingState", "")),
        remote_start_id=int(info["remoteStartId"]) if "remoteStartId" in info else None,
    )


def _v2(ask: Ask) -> Answer:
    payload = ask.payload
    said = parse_time(payload["timestamp"])
    verdict = _verdict(ask)
    event = _reported(ask, effective_time(said, ask.received_at), verdict)
    readings, problems = read_meter_values(payload.get("meterValue") or [], ask.received_at)
    facts: list[Fact] = []
    if event.event == "Started":
        facts.append(_started(event, readings, said, payload))
    facts.append(event)
    if readings:
        facts.append(
            Measured(
                at=readings[-1].at,
                connector_id=event.connector_id,
                transaction_id=event.transaction_id,
                readings=readings,
            )
        )
    facts.extend(problems)
    if event.event == "Ended":
        facts.append(_ended(event, readings, said, payload["transactionInfo"].get("stoppedReason", "Local")))
    if event.seq_no == 0 and event.event != "Started":
        facts.append(NonConforming(at=ask.received_at, detail=_NOT_COUNTED))
    return Answer(_reply(ask, event, verdict), tuple(facts))


def _reply(ask: Ask, event: TransactionReported, verdict: Verdict | None) -> dict[str, Any]:
    reply: dict[str, Any] = {}
    if event.event != "Started":
        total = ask.policy.total_cost(ask.station_id, event.transaction_id, event.event == "Ended")
        if total is not None:
            reply["totalCost"] = total
    if verdict is not None:
        reply["idTokenInfo"] = id_token_info(verdict)
    return reply


def _started(
    event: TransactionReported, readings: tuple[Reading, ...], said: datetime | None, payload: dict[str, Any]
) -> TransactionStarted:
    return TransactionStarted(
        at=event.at,
        station_at=said,
        connector_id=event.connector_id,
        evse_id=event.evse_id,
        transaction_id=event.transaction_id,
        id_tag=event.id_tag,
        token_kind=event.token_kind,
        refused=event.refused,
        meter_start_wh=_register(readings, _BEGIN),
        reservation_id=int(payload["reservationId"]) if "reservationId" in payload else None,
        numbered=True,
    )


def _ended(
    event: TransactionReported, readings: tuple[Reading, ...], said: datetime | None, reason: str
) -> TransactionStopped:
    return TransactionStopped(
        at=event.at,
        station_at=said,
        transaction_id=event.transaction_id,
        id_tag=event.id_tag,
        token_kind=event.token_kind,
        meter_stop_wh=_register(readings, _END),
        reason=reason,
        numbered=True,
    )


ACTION = Action("TransactionEvent", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
