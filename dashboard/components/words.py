"""The vocabulary of states as people see it: a row per state, with word, icon and what it asks for.

Colour is never alone: each row has a word and an icon of its own shape (`assets/icons.svg`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.domain.sessions import Quality, SessionState
from laddvakt.domain.silences import SilenceScope
from laddvakt.domain.stations import ConnectorState, StationState
from laddvakt.domain.tickets import Severity, TicketAction, TicketState


class Look(NamedTuple):
    """How a state is shown. `icon` is a symbol of icons.svg."""

    word: str
    icon: str
    mantine_color: str  # badge colour on desk pages


STATION: dict[StationState, Look] = {
    StationState.CHARGING: Look("Charging", "bolt", "blue"),
    StationState.AVAILABLE: Look("Free", "ring", "teal"),
    StationState.OCCUPIED: Look("Occupied", "plug", "violet"),
    StationState.FAULTED: Look("Fault", "alert", "red"),
    StationState.OFFLINE: Look("Offline", "offline", "orange"),
    StationState.UNAVAILABLE: Look("Out of service", "bar", "gray"),
    StationState.UNKNOWN: Look("Unknown", "question", "gray"),
}

DOWN = frozenset({StationState.FAULTED, StationState.OFFLINE, StationState.UNAVAILABLE, StationState.UNKNOWN})
"""States in which a station serves nobody."""

CONNECTOR: dict[ConnectorState, str] = {
    ConnectorState.AVAILABLE: "Free",
    ConnectorState.PREPARING: "Preparing",
    ConnectorState.CHARGING: "Charging",
    ConnectorState.SUSPENDED_EVSE: "Paused by station",
    ConnectorState.SUSPENDED_EV: "Paused by vehicle",
    ConnectorState.FINISHING: "Finishing",
    ConnectorState.RESERVED: "Reserved",
    ConnectorState.UNAVAILABLE: "Out of service",
    ConnectorState.FAULTED: "Fault",
    ConnectorState.UNKNOWN: "Unknown",
}

SEVERITY: dict[Severity, Look] = {
    Severity.P1: Look("Safety", "alert", "red"),
    Severity.P2: Look("Down", "bar", "orange"),
    Severity.P3: Look("Degraded", "down", "yellow"),
    Severity.P4: Look("Watch", "eye", "gray"),
}

TICKET: dict[TicketState, Look] = {
    TicketState.OPEN: Look("Open", "alert", "red"),
    TicketState.ACKNOWLEDGED: Look("Acknowledged", "eye", "yellow"),
    TicketState.IN_PROGRESS: Look("In progress", "tool", "blue"),
    TicketState.RESOLVED: Look("Resolved", "check", "teal"),
    TicketState.VERIFIED: Look("Verified", "check", "teal"),
    TicketState.CLOSED: Look("Closed", "check", "gray"),
}

ACTION: dict[TicketAction, str] = {
    TicketAction.OPENED: "opened the ticket",
    TicketAction.UPDATED: "saw the fault again",
    TicketAction.CLEARED: "saw the fault end",
    TicketAction.ACKNOWLEDGED: "acknowledged",
    TicketAction.ASSIGNED: "assigned",
    TicketAction.COMMENTED: "commented",
    TicketAction.RESOLVED: "resolved",
    TicketAction.VERDICT: "gave a verdict",
    TicketAction.REOPENED: "reopened",
    TicketAction.VERIFIED: "verified the repair",
    TicketAction.CLOSED: "closed",
    TicketAction.HELD: "put it under another ticket",
    TicketAction.FLAPPING: "saw the fault come and go",
    TicketAction.STEADIED: "saw the fault stay",
    TicketAction.NOTIFIED: "notified",
    TicketAction.REMEDIATED: "worked on the station",
}

SESSION: dict[SessionState, Look] = {
    SessionState.ACTIVE: Look("Charging", "bolt", "blue"),
    SessionState.SUSPENDED: Look("Paused", "plug", "violet"),
    SessionState.ENDED: Look("Ended", "check", "gray"),
}

QUALITY: dict[Quality, Look] = {
    Quality.CONFIRMED: Look("Confirmed", "check", "teal"),
    Quality.ESTIMATED: Look("Estimated", "eye", "yellow"),
    Quality.SUSPECT: Look("Suspect, held", "alert", "red"),
}


QUARANTINE: dict[QuarantineState, Look] = {
    QuarantineState.OPEN: Look("Open", "alert", "red"),
    QuarantineState.REPROCESSED: Look("Read again", "check", "teal"),
    QuarantineState.DISMISSED: Look("Dismissed", "bar", "gray"),
}

REASON: dict[QuarantineReason, str] = {
    QuarantineReason.MALFORMED_FRAME: "Not an OCPP message",
    QuarantineReason.UNKNOWN_ACTION: "Action unknown to OCPP",
    QuarantineReason.UNSUPPORTED_ACTION: "Action not read yet",
    QuarantineReason.UNSUPPORTED_PROTOCOL: "OCPP version not read yet",
    QuarantineReason.INVALID_PAYLOAD: "Refused by the schema",
    QuarantineReason.REFUSED_REPLY: "Station refused our reply",
    QuarantineReason.UNREADABLE_VALUE: "Value is no number",
    QuarantineReason.UNKNOWN_TRANSACTION: "Transaction unknown",
    QuarantineReason.UNANSWERED_START: "Start without an answer",
    QuarantineReason.UNKNOWN_STATION: "Station or device unknown",
    QuarantineReason.BAD_MQTT_PAYLOAD: "MQTT message unreadable",
    QuarantineReason.INTERNAL_ERROR: "Our own mistake",
}


def fault_title(fault: str) -> str:
    """`no_power` as `No power`."""
    return fault.replace("_", " ").capitalize().replace("Rcd", "RCD")


def place(scope: str, target: str, names: Mapping[str, str]) -> str:
    """What a silence is about; sites by their names."""
    if scope == SilenceScope.FLEET:
        return "every station"
    return names.get(target, target) if scope == SilenceScope.SITE else f"{scope} {target}"
