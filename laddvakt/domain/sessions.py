"""Charging sessions: one from plug-in to invoice."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from laddvakt.domain.money import Money
from laddvakt.domain.tokens import TokenKind


class SessionState(StrEnum):
    """Where a session is in its life."""

    ACTIVE = "active"  # energy flows, or may at any moment
    SUSPENDED = "suspended"  # vehicle or station paused it; not ended
    ENDED = "ended"  # over; it stays so


class Quality(StrEnum):
    """How far the figures of a session can be trusted before money moves."""

    CONFIRMED = "confirmed"  # start, stop and register agree
    ESTIMATED = "estimated"  # a part had to be worked out
    SUSPECT = "suspect"  # something contradicts; held from invoicing until a person releases it


class CostLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a price: what, how much of it, at which price."""

    component: str  # OCPI TariffDimensionType: ENERGY, TIME, FLAT...
    quantity: Decimal  # kWh, hours, or 1
    unit: str  # "kWh", "h", "session"
    price: Decimal  # per unit, excluding VAT
    vat_pct: Decimal | None  # None: VAT does not apply, or is not known
    excl_vat: Decimal
    vat: Decimal


class Cost(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a session costs so far. `excl_vat + vat == incl_vat`, exactly."""

    excl_vat: Money
    vat: Money
    incl_vat: Money
    lines: tuple[CostLine, ...] = ()


class MeterCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What an independent meter at the connector counted during a session, beside the station's own register."""

    start_wh: float
    last_wh: float
    energy_wh: int
    difference_pct: float | None = None  # of the meter over the station; None while it runs, or without energy


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A charging session (API object). Energy is integer Wh from the station's own register."""

    session_id: str
    station_id: str
    connector_id: int
    evse_id: int | None = None
    site_id: str | None = None
    cable_id: str | None = None
    transaction_id: str
    token: str | None = None  # pseudonym of the idTag, see laddvakt.privacy
    token_kind: TokenKind | None = None  # how the driver identified
    driver_id: str | None = None
    state: SessionState = SessionState.ACTIVE
    started_at: datetime
    ended_at: datetime | None = None
    last_reading_at: datetime | None = None
    duration_s: int = 0
    meter_start_wh: int | None = None
    meter_last_wh: float | None = None
    meter_stop_wh: int | None = None
    energy_wh: int = 0
    power_w: float | None = None
    soc_pct: float | None = None
    charging_type: str | None = None  # AC or DC
    cost: Cost | None = None
    tariff_id: str | None = None
    tariff_version: int | None = None
    stop_reason: str | None = None
    quality: Quality = Quality.CONFIRMED
    quality_reasons: tuple[str, ...] = ()
    requested_energy_wh: int | None = None  # what the vehicle asked for (ISO 15118)
    departure_at: datetime | None = None  # when the driver wants to leave, as the vehicle said (ISO 15118)
    readings_ignored: int = 0  # register values that fitted nowhere
    register_base_wh: float = 0.0  # added to the register, which began anew during the session
    register_aside_wh: float | None = None  # a value that waits for a second one to confirm it
    power_wh: float = 0.0  # the energy that the power said so far amounts to
    meter_check: MeterCheck | None = None
    command_id: str | None = None  # the remote start that it came of
    event_numbers: str | None = None  # OCPP 2.x: numbers of the events heard, "0-4 6"
