"""What stations and vehicles say of themselves beside states and sessions: the device model, security events, how
an update or an upload goes, who limits a station from outside, what a vehicle asks for."""

from __future__ import annotations

import hashlib
import urllib.parse

from msgspec.structs import replace

from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import (
    ChargingLimitReported,
    DiagnosticsReported,
    FirmwareReported,
    SecurityEventReported,
    VariableReported,
    VehicleNeedsReported,
)
from laddvakt.domain.sessions import Session
from laddvakt.domain.stations import Station
from laddvakt.stores.ports import SecurityEvent, Variable


def item_id(prefix: str, entry: Entry, number: int, detail: str) -> str:
    """Of the `number`th fact of an entry: the same whenever the log is replayed."""
    key = f"{entry.station_id}\x1f{entry.received_at.isoformat()}\x1f{number}\x1f{detail}\x1f{entry.raw}"
    return prefix + hashlib.blake2b(key.encode("utf-8", "backslashreplace"), digest_size=10).hexdigest()


def variable(station_id: str, fact: VariableReported) -> Variable:
    parts = (
        fact.component,
        fact.component_instance or "",
        str(fact.connector_id),
        fact.variable,
        fact.variable_instance or "",
        fact.attribute,
    )
    return Variable(
        station_id=station_id,
        variable_id="/".join(urllib.parse.quote(part, safe="", errors="backslashreplace") for part in parts),
        component=fact.component,
        component_instance=fact.component_instance,
        variable=fact.variable,
        variable_instance=fact.variable_instance,
        evse_id=fact.evse_id,
        connector_id=fact.connector_id,
        attribute=fact.attribute,
        value=fact.value,
        mutability=fact.mutability,
        unit=fact.unit,
        reported_at=fact.at,
    )


def newer(known: Variable | None, variable: Variable) -> Variable:
    """A later report; what it does not say of the variable's nature stays."""
    if known is None or variable.mutability is not None:
        return variable
    return replace(variable, mutability=known.mutability, unit=known.unit)


def security_event(entry: Entry, number: int, fact: SecurityEventReported) -> SecurityEvent:
    return SecurityEvent(
        event_id=item_id("E-", entry, number, fact.event),
        station_id=entry.station_id,
        at=fact.at,
        received_at=entry.received_at,
        event=fact.event,
        info=fact.info,
    )


def of_station(station: Station, fact: FirmwareReported | DiagnosticsReported | ChargingLimitReported) -> Station:
    """The station after one of these. A limit of the whole station (connector 0) is one of each connector."""
    match fact:
        case FirmwareReported():
            return replace(station, firmware_status=fact.status)
        case DiagnosticsReported():
            return replace(station, diagnostics_status=fact.status)
        case ChargingLimitReported():
            limited_by = None if fact.cleared else fact.source
            connectors = tuple(
                replace(c, limited_by=limited_by) if fact.connector_id in (0, c.connector_id) else c
                for c in station.connectors
            )
            return replace(station, connectors=connectors)


def of_session(session: Session, fact: VehicleNeedsReported) -> Session:
    """The session after what its vehicle asked for; what it does not say stays as it was."""
    return replace(
        session,
        requested_energy_wh=session.requested_energy_wh if fact.energy_wh is None else fact.energy_wh,
        departure_at=fact.departure_at or session.departure_at,
        soc_pct=session.soc_pct if fact.soc_pct is None else fact.soc_pct,
    )
