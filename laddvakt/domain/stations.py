"""Stations and connectors: their states in the field's words."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec


class ConnectorState(StrEnum):
    """What a connector is doing. OCPP 1.6 section 7.7 ChargePointStatus, and `Unknown`."""

    AVAILABLE = "Available"  # free
    PREPARING = "Preparing"  # cable in or card shown, not charging yet
    CHARGING = "Charging"  # contactor closed, energy may flow
    SUSPENDED_EVSE = "SuspendedEVSE"  # the station does not offer energy
    SUSPENDED_EV = "SuspendedEV"  # the vehicle does not take energy
    FINISHING = "Finishing"  # transaction over, cable still in
    RESERVED = "Reserved"  # held for a driver
    UNAVAILABLE = "Unavailable"  # out of service by command or schedule
    FAULTED = "Faulted"  # the station itself reports a fault
    UNKNOWN = "Unknown"  # nothing said since the last gap


class StationState(StrEnum):
    """The one word a wall tile shows, worked out from facts by `station_state`."""

    OFFLINE = "offline"  # no link to the station
    FAULTED = "faulted"  # a connector reports a fault
    CHARGING = "charging"  # at least one connector delivers energy
    OCCUPIED = "occupied"  # a vehicle is there, no energy flows
    AVAILABLE = "available"  # at least one connector is free
    UNAVAILABLE = "unavailable"  # out of service
    UNKNOWN = "unknown"  # connected, but it has said nothing yet


class Connector(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One connector of a station as last known (API object)."""

    connector_id: int
    evse_id: int | None = None
    type: str | None = None  # IEC_62196_T2, IEC_62196_T2_COMBO, CHADEMO...
    max_current_a: float | None = None
    max_power_w: float | None = None
    cable_id: str | None = None
    bay: str | None = None  # the parking space, for people
    status: ConnectorState = ConnectorState.UNKNOWN
    status_since: datetime | None = None
    error_code: str = "NoError"
    vendor_error_code: str | None = None
    info: str | None = None
    power_w: float | None = None
    session_id: str | None = None
    limited_by: str | None = None  # who outside limits it: EMS, SO, CSO, Other (OCPP 2.x NotifyChargingLimit)
    meter_wh: float | None = None  # the register of an independent meter
    meter_at: datetime | None = None
    meter_session_id: str | None = None  # the ended session that its next value completes


class Station(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One charging station as last known (API object)."""

    station_id: str
    site_id: str | None = None
    vendor: str | None = None
    model: str | None = None
    serial_number: str | None = None
    firmware: str | None = None
    protocol: str | None = None
    connected: bool = False
    connected_since: datetime | None = None  # when its present, or last, link came up
    last_seen: datetime | None = None
    booted_at: datetime | None = None
    state: StationState = StationState.UNKNOWN
    max_power_w: float | None = None
    phases: int | None = None
    current: str | None = None  # "AC" or "DC"
    registered: bool = False  # in a network file (known), not only heard of
    firmware_status: str | None = None  # how the last update goes: Downloading, Installed... (OCPP FirmwareStatus)
    diagnostics_status: str | None = None  # how the last upload of logs goes: Uploading, Uploaded...
    clock_offset_s: float | None = None  # how far its clock is ahead of ours
    non_conforming: int = 0  # messages read although they break the specification
    non_conforming_detail: str | None = None  # what the last one broke
    connectors: tuple[Connector, ...] = ()

    def connector(self, connector_id: int) -> Connector | None:
        for connector in self.connectors:  # not next(): a generator costs more than the few there are
            if connector.connector_id == connector_id:
                return connector
        return None


EVSE_STEP = 1000
"""OCPP 2.x counts connectors within EVSEs. Here connector 1 of an EVSE has the EVSE's number, a further one
`EVSE_STEP * EVSE + connector`: EVSE 1 connector 2 is 1002."""


def place_of(connector_id: int) -> tuple[int, int]:
    """(EVSE, connector within it) of a connector's number."""
    return (connector_id, 1) if connector_id < EVSE_STEP else divmod(connector_id, EVSE_STEP)


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A place with stations. `timezone` (IANA) decides where its days begin."""

    site_id: str
    name: str
    timezone: str = "UTC"
    currency: str = "EUR"
    latitude: float | None = None
    longitude: float | None = None
    opening_hours: str | None = None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


_VEHICLE_THERE = {
    ConnectorState.PREPARING,
    ConnectorState.SUSPENDED_EV,
    ConnectorState.SUSPENDED_EVSE,
    ConnectorState.FINISHING,
    ConnectorState.RESERVED,
}


def station_state(*, connected: bool, statuses: list[ConnectorState]) -> StationState:
    """The word for a station from its link and its connectors: the worst first, then the busiest."""
    if not connected:
        return StationState.OFFLINE
    if ConnectorState.FAULTED in statuses:
        return StationState.FAULTED
    if ConnectorState.CHARGING in statuses:
        return StationState.CHARGING
    if any(status in _VEHICLE_THERE for status in statuses):
        return StationState.OCCUPIED
    if ConnectorState.AVAILABLE in statuses:
        return StationState.AVAILABLE
    if ConnectorState.UNAVAILABLE in statuses:
        return StationState.UNAVAILABLE
    return StationState.UNKNOWN
