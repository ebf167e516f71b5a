"""A station that counts each session from nought: its register falls back at every start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched
from simulator.lookalikes.wording import with_register
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station


class _SinceStart:
    """Remembers where each connector's session began."""

    def __init__(self) -> None:
        self._began_wh: dict[object, float] = {}

    def __call__(self, message: Message) -> Message:
        payload = message.payload
        if not payload.keys() & {"meterStart", "meterStop", "meterValue"}:
            return message
        key = self._key(message)
        if key is None:
            return with_register(message, lambda wh: 0.0)  # between sessions
        if message.action == "StartTransaction" or payload.get("eventType") == "Started":
            self._began_wh.pop(key, None)
        return with_register(message, lambda wh: max(wh - self._began_wh.setdefault(key, wh), 0.0))

    def _key(self, message: Message) -> object:
        """The session that a message belongs to."""
        info = message.payload.get("transactionInfo")
        if info is not None:
            return info["transactionId"]
        if message.action == "StartTransaction":
            return message.payload["connectorId"]
        return message.numbered.connector_id if message.numbered is not None else None


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.garble = _SinceStart() if on else None


KIND = of_station("session_register", switched(_apply), days=1000, whole_run=True)
