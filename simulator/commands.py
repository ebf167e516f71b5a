"""What a simulated station answers to the central system's requests (OCPP 1.6 section 5). One row per action."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from laddvakt.domain.stations import ConnectorState

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station

Payload = dict[str, Any]
_WRITABLE = frozenset({"HeartbeatInterval", "MeterValueSampleInterval"})

Handler = Callable[["Station", Payload, float], Payload]


def _bay_of_transaction(station: Station, number: object) -> Bay | None:
    return next((b for b in station.bays.values() if b.transaction and b.transaction.id == number), None)


def _reset(station: Station, payload: Payload, now_s: float) -> Payload:
    reason = "HardReset" if payload.get("type") == "Hard" else "SoftReset"
    station.after(1.0, now_s, lambda now: station.restart(reason, now))
    return {"status": "Accepted"}


def _remote_start(station: Station, payload: Payload, now_s: float) -> Payload:
    wanted = payload.get("connectorId")
    bays = [bay for bay in station.bays.values() if wanted in (None, bay.connector_id)]
    bay = next((b for b in bays if b.status is ConnectorState.PREPARING and b.transaction is None), None)
    if bay is None or bay.visit is None:
        return {"status": "Rejected"}
    visit, id_tag, chosen = bay.visit, str(payload.get("idTag", "")), bay

    def start(now: float) -> None:
        if chosen.visit is visit and chosen.transaction is None:
            chosen.begin(visit, now, id_tag)

    station.after(0.5, now_s, start)
    return {"status": "Accepted"}


def _remote_stop(station: Station, payload: Payload, now_s: float) -> Payload:
    bay = _bay_of_transaction(station, payload.get("transactionId"))
    if bay is None:
        return {"status": "Rejected"}
    station.after(0.5, now_s, lambda now: bay.stop("Remote", now))
    return {"status": "Accepted"}


def _trigger(station: Station, payload: Payload, now_s: float) -> Payload:
    wanted = payload.get("connectorId")
    bays = [bay for bay in station.bays.values() if wanted in (None, 0, bay.connector_id)]

    def report(now: float) -> None:
        for bay in bays:
            bay.report(now)

    def measure(now: float) -> None:
        for bay in bays:
            bay.circuit.advance(now)
            bay.send_meter_values(now, "Trigger")

    actions: dict[str, Callable[[float], None]] = {
        "BootNotification": station.send_boot,
        "Heartbeat": lambda now: station.call("Heartbeat", {}, now),
        "StatusNotification": report,
        "MeterValues": measure,
        "FirmwareStatusNotification": lambda now: station.call(
            "FirmwareStatusNotification", {"status": "Idle"}, now
        ),
    }
    action = actions.get(str(payload.get("requestedMessage")))
    if action is None:
        return {"status": "NotImplemented"}
    station.after(0.2, now_s, action)
    return {"status": "Accepted"}


def _availability(station: Station, payload: Payload, now_s: float) -> Payload:
    wanted = payload.get("connectorId")
    bays = [bay for bay in station.bays.values() if wanted in (0, bay.connector_id)]
    if not bays:
        return {"status": "Rejected"}
    done = [bay.set_operative(payload.get("type") == "Operative", now_s) for bay in bays]
    return {"status": "Accepted" if all(done) else "Scheduled"}


def _unlock(station: Station, payload: Payload, now_s: float) -> Payload:
    bay = station.bays.get(payload.get("connectorId", 0))
    if bay is None:
        return {"status": "NotSupported"}
    if bay.fault is not None and bay.fault.error_code == "ConnectorLockFailure":
        return {"status": "UnlockFailed"}
    station.after(0.5, now_s, lambda now: bay.stop("UnlockCommand", now))
    return {"status": "Unlocked"}


def _get_configuration(station: Station, payload: Payload, now_s: float) -> Payload:
    known = {
        "HeartbeatInterval": str(int(station.heartbeat_s)),
        "MeterValueSampleInterval": str(int(station.meter_interval_s)),
        "NumberOfConnectors": str(len(station.bays)),
        "SupportedFeatureProfiles": "Core,FirmwareManagement,RemoteTrigger",
    }
    wanted = payload.get("key") or list(known)
    return {
        "configurationKey": [
            {
                "key": key,
                "readonly": key in {"NumberOfConnectors", "SupportedFeatureProfiles"},
                "value": known[key],
            }
            for key in wanted
            if key in known
        ],
        "unknownKey": [key for key in wanted if key not in known],
    }


def _change_configuration(station: Station, payload: Payload, now_s: float) -> Payload:
    key, value = payload.get("key"), str(payload.get("value", ""))
    if key not in _WRITABLE:
        return {"status": "NotSupported"}
    if not value.isdigit() or int(value) < 1:
        return {"status": "Rejected"}
    if key == "HeartbeatInterval":
        station.heartbeat_s = float(value)
    else:
        station.meter_interval_s = float(value)
    return {"status": "Accepted"}


HANDLERS: dict[str, Handler] = {
    "Reset": _reset,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "TriggerMessage": _trigger,
    "ChangeAvailability": _availability,
    "UnlockConnector": _unlock,
    "GetConfiguration": _get_configuration,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": lambda station, payload, now_s: {"status": "Accepted"},
    "ClearChargingProfile": lambda station, payload, now_s: {"status": "Unknown"},
    "DataTransfer": lambda station, payload, now_s: {"status": "UnknownVendorId"},
}


def answer(station: Station, unique_id: str, action: str, payload: Payload, now_s: float) -> list[Any]:
    """The CALLRESULT to a CALL, or the CALLERROR that it deserves (OCPP-J 1.6 section 4.2.3)."""
    handler = HANDLERS.get(action)
    if handler is None:
        return [4, unique_id, "NotImplemented", f"{action} is not implemented", {}]
    try:
        return [3, unique_id, handler(station, payload, now_s)]
    except (TypeError, ValueError) as error:  # a value of another type than the specification gives it
        return [4, unique_id, "TypeConstraintViolation", str(error)[:255], {}]
