"""What a simulated station answers to the central system's requests. One row per action, a table per version."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from laddvakt.domain.stations import ConnectorState
from simulator.messages import timestamp
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.bay import Bay
    from simulator.station import Station

Payload = dict[str, Any]
_WRITABLE = frozenset({"HeartbeatInterval", "MeterValueSampleInterval"})

Handler = Callable[["Station", Payload, float], Payload]


def _bay_of_transaction(station: Station, number: object) -> Bay | None:
    """By the central system's number (1.6), or the station's own name (2.x)."""
    charging = [bay for bay in station.bays.values() if bay.transaction is not None]
    return next((b for b in charging if b.transaction and number in (b.transaction.id, b.transaction.name)), None)


def _reset(station: Station, payload: Payload, now_s: float) -> Payload:
    reason = "HardReset" if payload.get("type") in ("Hard", "Immediate") else "SoftReset"
    station.after(1.0, now_s, lambda now: station.restart(reason, now))
    return {"status": "Accepted"}


def _start(station: Station, wanted: object, id_tag: str, now_s: float, remote_start_id: int | None) -> bool:
    """A remote start: only where a vehicle waits."""
    bays = [bay for bay in station.bays.values() if wanted in (None, bay.connector_id)]
    bay = next((b for b in bays if b.status is ConnectorState.PREPARING and b.transaction is None), None)
    if bay is None or bay.visit is None:
        return False
    visit, chosen = bay.visit, bay

    def start(now: float) -> None:
        if chosen.visit is visit and chosen.transaction is None:
            chosen.begin(visit, now, id_tag, remote_start_id=remote_start_id)

    station.after(0.5, now_s, start)
    return True


def _remote_start(station: Station, payload: Payload, now_s: float) -> Payload:
    begun = _start(station, payload.get("connectorId"), str(payload.get("idTag", "")), now_s, None)
    return {"status": "Accepted" if begun else "Rejected"}


def _request_start(station: Station, payload: Payload, now_s: float) -> Payload:
    """RequestStartTransaction (2.0.1 part 2 F01, F02)."""
    id_tag, number = str(payload["idToken"]["idToken"]), int(payload["remoteStartId"])
    begun = _start(station, payload.get("evseId"), id_tag, now_s, number)
    return {"status": "Accepted" if begun else "Rejected"}


def _remote_stop(station: Station, payload: Payload, now_s: float) -> Payload:
    bay = _bay_of_transaction(station, payload.get("transactionId"))
    if bay is None:
        return {"status": "Rejected"}
    station.after(0.5, now_s, lambda now: bay.stop("Remote", now))
    return {"status": "Accepted"}


def _evse(payload: Payload) -> object:
    """Which connector a request is for: a number in 1.6, an EVSE in 2.x."""
    evse = payload.get("evse")
    return evse.get("id") if isinstance(evse, dict) else payload.get("connectorId", payload.get("evseId"))


def _trigger(station: Station, payload: Payload, now_s: float) -> Payload:
    wanted = _evse(payload)
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
        "Heartbeat": lambda now: station.say(Message("Heartbeat", {}), now),
        "StatusNotification": report,
        "MeterValues": measure,
        "FirmwareStatusNotification": lambda now: station.say(station.speech.firmware("Idle", 0), now),
    }
    action = actions.get(str(payload.get("requestedMessage")))
    if action is None:
        return {"status": "NotImplemented"}
    station.after(0.2, now_s, action)
    return {"status": "Accepted"}


def _availability(station: Station, payload: Payload, now_s: float) -> Payload:
    wanted = _evse(payload)
    bays = [bay for bay in station.bays.values() if wanted in (None, 0, bay.connector_id)]
    if not bays:
        return {"status": "Rejected"}
    operative = payload.get("type", payload.get("operationalStatus")) == "Operative"
    done = [bay.set_operative(operative, now_s) for bay in bays]
    return {"status": "Accepted" if all(done) else "Scheduled"}


def _unlock(station: Station, payload: Payload, now_s: float) -> Payload:
    wanted = payload.get("evseId", payload.get("connectorId", 0))
    bay = next((bay for bay in station.bays.values() if bay.connector_id == wanted), None)
    if bay is None:
        return {"status": "UnknownConnector" if "evseId" in payload else "NotSupported"}
    lock_broken = station.rng.random() < bay.flaws.lock_fails
    if lock_broken or (bay.fault is not None and bay.fault.error_code == "ConnectorLockFailure"):
        return {"status": "UnlockFailed"}
    station.after(0.5, now_s, lambda now: bay.stop("UnlockCommand", now))
    return {"status": "Unlocked"}


def _set_profile(station: Station, payload: Payload, now_s: float) -> Payload:
    """SetChargingProfile: 1.6 section 5.16.1, 2.0.1 part 2 K01."""
    profile = payload.get("csChargingProfiles", payload.get("chargingProfile"))
    if not isinstance(profile, dict):
        raise TypeError("a charging profile is an object")
    station.profiles.put(int(payload.get("connectorId", payload.get("evseId")) or 0), profile, now_s)
    station.obey_limits(now_s)
    return {"status": "Accepted"}


def _clear_profile(station: Station, payload: Payload, now_s: float) -> Payload:
    number = payload.get("id", payload.get("chargingProfileId"))
    cleared = station.profiles.clear(number if isinstance(number, int) else None)
    station.obey_limits(now_s)
    return {"status": "Accepted" if cleared else "Unknown"}


def _get_configuration(station: Station, payload: Payload, now_s: float) -> Payload:
    known = {
        "HeartbeatInterval": str(int(station.heartbeat_s)),
        "MeterValueSampleInterval": str(int(station.meter_interval_s)),
        "NumberOfConnectors": str(len(station.bays)),
        "SupportedFeatureProfiles": "Core,FirmwareManagement,RemoteTrigger,SmartCharging",
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


# component and variable of 2.x -> the same thing's key in 1.6 (2.0.1 part 2 appendix 3)
_VARIABLES = {
    ("OCPPCommCtrlr", "HeartbeatInterval"): "HeartbeatInterval",
    ("SampledDataCtrlr", "TxUpdatedInterval"): "MeterValueSampleInterval",
}


def _named(item: Payload) -> Payload:
    return {"component": item["component"], "variable": item["variable"]}


def _key(item: Payload) -> str | None:
    return _VARIABLES.get((str(item["component"]["name"]), str(item["variable"]["name"])))


def _get_variables(station: Station, payload: Payload, now_s: float) -> Payload:
    found = []
    for item in payload["getVariableData"]:
        key = _key(item)
        if key is None:
            found.append({"attributeStatus": "UnknownVariable", **_named(item)})
            continue
        value = _get_configuration(station, {"key": [key]}, now_s)["configurationKey"][0]["value"]
        found.append({"attributeStatus": "Accepted", "attributeValue": value, **_named(item)})
    return {"getVariableResult": found}


def _set_variables(station: Station, payload: Payload, now_s: float) -> Payload:
    done = []
    for item in payload["setVariableData"]:
        key = _key(item)
        asked = {"key": key, "value": item["attributeValue"]}
        status = _change_configuration(station, asked, now_s)["status"] if key else "UnknownVariable"
        done.append({"attributeStatus": status, **_named(item)})
    return {"setVariableResult": done}


def _base_report(station: Station, payload: Payload, now_s: float) -> Payload:
    """GetBaseReport (2.0.1 part 2 B07): a NotifyReport with the few variables there are."""

    def tell(now: float) -> None:
        told = _get_configuration(station, {"key": list(_VARIABLES.values())}, now)["configurationKey"]
        values = {entry["key"]: entry["value"] for entry in told}
        report = [
            {
                "component": {"name": component},
                "variable": {"name": variable},
                "variableAttribute": [{"type": "Actual", "value": values[key], "mutability": "ReadWrite"}],
            }
            for (component, variable), key in _VARIABLES.items()
        ]
        request = {"requestId": payload["requestId"], "generatedAt": timestamp(now), "seqNo": 0, "tbc": False}
        station.say(Message("NotifyReport", {**request, "reportData": report}), now)

    station.after(0.5, now_s, tell)
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
    "SetChargingProfile": _set_profile,
    "ClearChargingProfile": _clear_profile,
    "DataTransfer": lambda station, payload, now_s: {"status": "UnknownVendorId"},
}


HANDLERS_2X: dict[str, Handler] = {
    "Reset": _reset,
    "RequestStartTransaction": _request_start,
    "RequestStopTransaction": _remote_stop,
    "TriggerMessage": _trigger,
    "ChangeAvailability": _availability,
    "UnlockConnector": _unlock,
    "GetVariables": _get_variables,
    "SetVariables": _set_variables,
    "GetBaseReport": _base_report,
    "ClearCache": lambda station, payload, now_s: {"status": "Accepted"},
    "SetChargingProfile": _set_profile,
    "ClearChargingProfile": _clear_profile,
    "CostUpdated": lambda station, payload, now_s: {},
    "DataTransfer": lambda station, payload, now_s: {"status": "UnknownVendorId"},
}


def answer(station: Station, unique_id: str, action: str, payload: Payload, now_s: float) -> list[Any]:
    """The CALLRESULT to a CALL, or the CALLERROR that it deserves (OCPP-J 1.6 section 4.2.3)."""
    table = HANDLERS if station.speech.protocol == "ocpp1.6" else HANDLERS_2X
    handler = table.get(action)
    if handler is None:
        return [4, unique_id, "NotImplemented", f"{action} is not implemented", {}]
    try:
        return [3, unique_id, handler(station, payload, now_s)]
    except (KeyError, TypeError, ValueError) as error:  # a value of another type than the specification gives it
        return [4, unique_id, "TypeConstraintViolation", str(error)[:255], {}]
