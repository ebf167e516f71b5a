"""The plain central system of the virtual-time log: it accepts everything at once. Pure."""

from __future__ import annotations

import itertools
from typing import Any

from simulator.messages import timestamp

HEARTBEAT_S = 300


class Central:
    """Answers to the calls of all stations. A retried StartTransaction gets the id that it was given before."""

    def __init__(self) -> None:
        self._transactions = itertools.count(1)
        self._given: dict[str, int] = {}  # message id -> transaction id

    def reply(self, protocol: str, frame: list[Any], now_s: float) -> list[Any]:
        """The CALLRESULT to a CALL."""
        _, unique_id, action, payload = frame
        if protocol == "ocpp1.6":
            return [3, unique_id, self._reply(action, unique_id, now_s)]
        return [3, unique_id, _reply_2x(action, payload, now_s)]

    def _reply(self, action: str, unique_id: str, now_s: float) -> dict[str, Any]:
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": timestamp(now_s), "interval": HEARTBEAT_S}
            case "Heartbeat":
                return {"currentTime": timestamp(now_s)}
            case "Authorize" | "StopTransaction":
                return {"idTagInfo": {"status": "Accepted"}}
            case "StartTransaction":
                if unique_id not in self._given:
                    self._given[unique_id] = next(self._transactions)
                return {"transactionId": self._given[unique_id], "idTagInfo": {"status": "Accepted"}}
        return {}


def _reply_2x(action: str, payload: dict[str, Any], now_s: float) -> dict[str, Any]:
    match action:
        case "BootNotification":
            return {"currentTime": timestamp(now_s), "interval": HEARTBEAT_S, "status": "Accepted"}
        case "Heartbeat":
            return {"currentTime": timestamp(now_s)}
        case "Authorize":
            return {"idTokenInfo": {"status": "Accepted"}}
        case "TransactionEvent" if "idToken" in payload:
            return {"idTokenInfo": {"status": "Accepted"}}
    return {}


_PROFILE_ID = 7


def limit_request(
    protocol: str, limit_a: float, from_s: float, length_s: float, *, phases: int | None = None
) -> tuple[str, dict[str, Any]]:
    """SetChargingProfile for the whole station: at most this current per phase for a while."""
    period: dict[str, Any] = {"startPeriod": 0, "limit": round(limit_a, 1)}
    if phases is not None:
        period["numberPhases"] = phases
    schedule = {
        "chargingRateUnit": "A",
        "startSchedule": timestamp(from_s),
        "duration": int(length_s),
        "chargingSchedulePeriod": [period],
    }
    profile: dict[str, Any] = {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
    }
    if protocol == "ocpp1.6":
        told = {"chargingProfileId": _PROFILE_ID, **profile, "chargingSchedule": schedule}
        return "SetChargingProfile", {"connectorId": 0, "csChargingProfiles": told}
    told = {"id": _PROFILE_ID, **profile, "chargingSchedule": [{"id": 1, **schedule}]}
    return "SetChargingProfile", {"evseId": 0, "chargingProfile": told}


def clear_request(protocol: str) -> tuple[str, dict[str, Any]]:
    """ClearChargingProfile for the one above."""
    return "ClearChargingProfile", {"id" if protocol == "ocpp1.6" else "chargingProfileId": _PROFILE_ID}


def start_request(protocol: str, connector_id: int, id_tag: str, number: int) -> tuple[str, dict[str, Any]]:
    """RemoteStartTransaction, or RequestStartTransaction: somebody has pressed a button in an app."""
    if protocol == "ocpp1.6":
        return "RemoteStartTransaction", {"connectorId": connector_id, "idTag": id_tag}
    token = {"idToken": id_tag, "type": "Central"}
    return "RequestStartTransaction", {"evseId": connector_id, "idToken": token, "remoteStartId": number}


def availability_request(protocol: str, *, operative: bool) -> tuple[str, dict[str, Any]]:
    """ChangeAvailability of the whole station."""
    word = "Operative" if operative else "Inoperative"
    if protocol == "ocpp1.6":
        return "ChangeAvailability", {"connectorId": 0, "type": word}
    return "ChangeAvailability", {"operationalStatus": word}
