"""Which messages show a fault: for the ground truth's `shown_at`, and for nothing else.

A message shows a fault when the fault's cause changed something in it, however little that is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from simulator.faults.base import FaultPlan

VALUES = frozenset({"MeterValues", "TransactionEvent"})
REGISTER = VALUES | {"StartTransaction", "StopTransaction"}
_FLOWS_W = 50.0
_FLOWS_A = 0.5


class Said(NamedTuple):
    """A request of a station, or a message of its devices (`mqtt/meter`, `mqtt/telemetry`)."""

    action: str
    payload: dict[str, Any]

    @property
    def connector_id(self) -> object:
        """In 1.6 the connector's number, in 2.x that of its EVSE, which has one connector."""
        events = self.payload.get("eventData")
        evse = events[0]["component"].get("evse") if events else self.payload.get("evse")
        if isinstance(evse, dict):
            return evse.get("id")
        return self.payload.get("evseId", self.payload.get("connectorId"))

    def readings(self) -> dict[tuple[str, str, str], float]:
        """The latest of each measurand, phase and location, in base units."""
        found: dict[tuple[str, str, str], float] = {}
        for value in self.payload.get("meterValue", ()):
            for one in value["sampledValue"]:
                unit = one.get("unit") or one.get("unitOfMeasure", {}).get("unit", "")
                key = (one["measurand"], one.get("phase", ""), one.get("location", ""))
                found[key] = float(one["value"]) * (1000.0 if unit.startswith("k") else 1.0)
        return found


Shows = Callable[["FaultPlan", Said], bool]


def sent(*actions: str) -> Shows:
    """Any of these requests, of the connector."""
    return lambda plan, said: said.action in actions


def flowing(plan: FaultPlan, said: Said) -> bool:
    """Values with a current or a power in them."""
    if said.action.startswith("mqtt/"):
        return bool(said.payload.get("power_w", 0) > _FLOWS_W)
    amps = [value for (measurand, *_), value in said.readings().items() if measurand == "Current.Import"]
    return said.action in VALUES and max(amps, default=0.0) > _FLOWS_A


def registers(plan: FaultPlan, said: Said) -> bool:
    """The meter's register, within OCPP."""
    return said.action in REGISTER


def hot_plug(plan: FaultPlan, said: Said) -> bool:
    """The temperature of a plug that carries current."""
    if any(event["variable"]["name"] == "Temperature" for event in said.payload.get("eventData", ())):
        return True  # told within transactions
    told = "plug_temperature_c" in said.payload or ("Temperature", "", "Outlet") in said.readings()
    return told and flowing(plan, said)


def reported(plan: FaultPlan, said: Said) -> bool:
    """An error of the connector or the station, by status or event."""
    if said.action == "NotifyEvent":
        return any(event["variable"]["name"] == "Problem" for event in said.payload["eventData"])
    told = said.payload
    return said.action == "StatusNotification" and (
        told.get("errorCode", "NoError") != "NoError"
        or "Faulted" in (told.get("status"), told.get("connectorStatus"))
    )


def either(*ways: Shows) -> Shows:
    return lambda plan, said: any(way(plan, said) for way in ways)


def ended(plan: FaultPlan, said: Said) -> bool:
    """A session's end."""
    return said.action == "StopTransaction" or said.payload.get("eventType") == "Ended"
