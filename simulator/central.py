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
