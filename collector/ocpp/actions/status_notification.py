"""StatusNotification (OCPP 1.6 section 4.9; 2.0.1 part 2 G01): what a connector does, and which error it has.

Fault names also travel in `vendorErrorCode` and `info`: ChargeX MREC codes CX001..CX026 are picked out of both,
and EVgo's MREC codes (https://mrec.evgo.com: `vendorId` com.evgo.mrec, comma-separated) are translated to them.
What was said is kept beside.
"""

import re
from typing import Any

from collector.ocpp.action import Action, Answer, Ask
from collector.ocpp.evse import connector_number
from laddvakt.domain.facts import StatusReported
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.times import effective_time, parse_time

_MREC = re.compile(r"\bCX0(?:0[1-9]|1\d|2[0-6])\b")
_EVGO = "com.evgo.mrec"
_EVGO_CODES = {
    "A000": "CX009",  # authorization timeout
    "A001": "CX020",  # partial insertion
    "A003": "CX010",  # invalid vehicle mode
    "A004": "CX008",  # emergency stop pressed
    "F000": "CX023",  # proximity voltage too high
    "F001": "CX023",  # proximity voltage too low
    "F003": "CX014",  # pilot voltage too low
    "F004": "CX025",  # broken latch
    "F008": "CX024",  # voltage on the connector
    "F009": "CX019",  # cable too hot
}
_STATES = {state.value: state for state in ConnectorState if state is not ConnectorState.UNKNOWN}


def mrec_codes(*texts: str | None) -> tuple[str, ...]:
    """ChargeX minimum required error codes named in free texts, in order, each once."""
    return tuple(dict.fromkeys(code for text in texts if text for code in _MREC.findall(text)))


def _fault_codes(payload: dict[str, Any]) -> tuple[str, ...]:
    said = payload.get("vendorErrorCode")
    if said and (payload.get("vendorId") or "").lower() == _EVGO:
        said = " ".join(_EVGO_CODES.get(code.strip().upper(), "") for code in said.split(","))
    return mrec_codes(said, payload.get("info"))


def _v16(ask: Ask) -> Answer:
    payload = ask.payload
    said = payload["status"]
    stamped = parse_time(payload.get("timestamp") or "")
    at = effective_time(stamped, ask.received_at)
    fact = StatusReported(
        at=at,
        connector_id=payload["connectorId"],
        status=_STATES.get(said, ConnectorState.UNKNOWN),
        reported="" if said in _STATES else said,
        error_code=payload["errorCode"],
        info=payload.get("info") or None,
        vendor_id=payload.get("vendorId") or None,
        vendor_error_code=payload.get("vendorErrorCode") or None,
        mrec=_fault_codes(payload),
        station_at=stamped if stamped != at else None,
    )
    return Answer({}, (fact,))


def state_of(said: str) -> tuple[ConnectorState, str]:
    """The state for a ConnectorStatusEnumType, and the word itself where the state does not say it. `Occupied` is
    Preparing until the transaction's own events say more; 1.6's words are understood as well."""
    if said == "Occupied":
        return ConnectorState.PREPARING, said
    return (_STATES[said], "") if said in _STATES else (ConnectorState.UNKNOWN, said)


def _v2(ask: Ask) -> Answer:
    payload = ask.payload
    status, reported = state_of(payload["connectorStatus"])
    stamped = parse_time(payload["timestamp"])
    at = effective_time(stamped, ask.received_at)
    fact = StatusReported(
        at=at,
        station_at=stamped if stamped != at else None,
        connector_id=connector_number(payload["evseId"], payload["connectorId"]),
        evse_id=int(payload["evseId"]),
        status=status,
        reported=reported,
    )
    return Answer({}, (fact,))


ACTION = Action("StatusNotification", {"ocpp1.6": _v16, "ocpp2.0.1": _v2, "ocpp2.1": _v2})
