"""TransactionEvent (OCPP 2.0.1 part 2 E01-E16): a transaction starts, goes on or ends. The station names the
transaction and numbers its events; they may come late, twice and in any order.

`totalCost` is not answered: prices are worked out behind the event log.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from collector.ocpp.action import Action, Answer, Ask
from collector.ocpp.actions.meter_values import read_meter_values
from collector.ocpp.evse import numbers_of
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

# ChargingStateEnumType -> what the connector does
_CHARGING_STATES = {
    "Charging": ConnectorState.CHARGING,
    "EVConnected": ConnectorState.PREPARING,
    "SuspendedEV": ConnectorState.SUSPENDED_EV,
    "SuspendedEVSE": ConnectorState.SUSPENDED_EVSE,
    "Idle": ConnectorState.PREPARING,  # authorised, no vehicle yet, or no longer
}
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


def _reported(ask: Ask, at: datetime) -> TransactionReported:
    payload = ask.payload
    info = payload["transactionInfo"]
    connector_id, evse_id = numbers_of(payload.get("evse"))
    return TransactionReported(
        at=at,
        transaction_id=info["transactionId"],
        event=payload["eventType"],
        seq_no=int(payload["seqNo"]),
        trigger=payload["triggerReason"],
        offline=payload.get("offline", False),
        connector_id=connector_id,
        evse_id=evse_id,
        id_tag=(payload.get("idToken") or {}).get("idToken") or None,
        charging_state=_CHARGING_STATES.get(info.get("chargingState", "")),
        remote_start_id=int(info["remoteStartId"]) if "remoteStartId" in info else None,
    )


def _v2(ask: Ask) -> Answer:
    payload = ask.payload
    said = parse_time(payload["timestamp"])
    event = _reported(ask, effective_time(said, ask.received_at))
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
    if event.id_tag is None:
        return Answer({}, tuple(facts))
    return Answer(
        {"idTokenInfo": {"status": ask.policy.authorize(event.id_tag, ask.received_at).value}}, tuple(facts)
    )


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
        meter_stop_wh=_register(readings, _END),
        reason=reason,
        numbered=True,
    )


ACTION = Action("TransactionEvent", {"ocpp2.0.1": _v2, "ocpp2.1": _v2})
