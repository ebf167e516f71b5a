"""Objects for tests of the stores, each field overridable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Cost, CostLine, MeterCheck, Quality, Session, SessionState
from laddvakt.domain.stations import Connector, ConnectorState, Station, StationState
from laddvakt.domain.tickets import Asset, Evidence, Severity, Ticket, TicketAction, TicketEvent
from laddvakt.domain.tokens import TokenKind

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def cost(excl_vat: str, vat: str = "0", currency: str = "SEK", lines: tuple[CostLine, ...] = ()) -> Cost:
    def money(amount: Decimal) -> Money:
        return Money(amount=amount, currency=currency)

    total = Decimal(excl_vat) + Decimal(vat)
    return Cost(excl_vat=money(Decimal(excl_vat)), vat=money(Decimal(vat)), incl_vat=money(total), lines=lines)


def session(session_id: str = "S-1", **changes: Any) -> Session:
    fields: dict[str, Any] = {"station_id": "SE-1", "connector_id": 1, "transaction_id": "17", "started_at": NOON}
    return Session(session_id=session_id, **(fields | changes))


def ended(session_id: str, ended_at: datetime, excl_vat: str = "10", vat: str = "2.5", **changes: Any) -> Session:
    fields: dict[str, Any] = {
        "state": SessionState.ENDED,
        "started_at": ended_at - timedelta(minutes=30),
        "ended_at": ended_at,
        "energy_wh": 1000,
        "cost": cost(excl_vat, vat),
    }
    return session(session_id, **(fields | changes))


def full_session() -> Session:
    """Every field away from its default."""
    line = CostLine(
        component="ENERGY",
        quantity=Decimal("7.1234567890123456789"),
        unit="kWh",
        price=Decimal("0.4500"),
        vat_pct=Decimal("25.0"),
        excl_vat=Decimal("3.2056"),
        vat=Decimal("0.8014"),
    )
    return session(
        "S-full",
        evse_id=2,
        site_id="depot",
        cable_id="cable-9",
        token="tok_abc",
        token_kind=TokenKind.PLATE,
        driver_id="anna",
        state=SessionState.ENDED,
        ended_at=NOON + timedelta(hours=1),
        last_reading_at=NOON + timedelta(minutes=59),
        duration_s=3600,
        meter_start_wh=1_234_567_890_123,
        meter_last_wh=1_234_567_897_246.25,
        meter_stop_wh=1_234_567_897_246,
        energy_wh=7123,
        power_w=0.1 + 0.2,
        soc_pct=80.5,
        charging_type="AC",
        cost=cost("3.2056", "0.8014", lines=(line,)),
        tariff_id="day",
        tariff_version=3,
        stop_reason="EVDisconnected",
        quality=Quality.SUSPECT,
        quality_reasons=("meter went back", 'said "å\x00"'),
        requested_energy_wh=22_000,
        departure_at=NOON + timedelta(hours=3),
        event_numbers="0-4 6",
        readings_ignored=2,
        register_base_wh=0.5,
        register_aside_wh=7.25,
        power_wh=7120.5,
        meter_check=MeterCheck(start_wh=1.5, last_wh=7001.5, energy_wh=7000, difference_pct=-1.73),
        command_id="c1",
    )


def full_station() -> Station:
    """Every field away from its default; hostile text included, as stations send it."""
    return Station(
        station_id="SE-1",
        site_id="depot",
        vendor="Ångström \x00 \x1a0000 \ud800 '; DROP TABLE stations; --",
        model="M\\1",
        serial_number="0001",
        firmware="1.2.3",
        protocol="ocpp1.6",
        connected=True,
        last_seen=NOON,
        booted_at=NOON - timedelta(days=400),
        state=StationState.CHARGING,
        max_power_w=22_000.5,
        phases=3,
        current="AC",
        registered=True,
        firmware_status="Installed",
        diagnostics_status="Uploading",
        clock_offset_s=-3599.5,
        non_conforming=12,
        non_conforming_detail="Heartbeat: 'x' was unexpected",
        connectors=(
            Connector(connector_id=0, status=ConnectorState.AVAILABLE),
            Connector(
                connector_id=1,
                evse_id=1,
                type="IEC_62196_T2",
                max_current_a=32.0,
                max_power_w=22_000.0,
                cable_id="cable-9",
                status=ConnectorState.CHARGING,
                status_since=NOON,
                error_code="OtherError",
                vendor_error_code="E-7",
                limited_by="EMS",
                info="fan",
                power_w=7360.0,
                session_id="S-1",
                meter_wh=123456.5,
                meter_at=NOON,
                meter_session_id="S-0",
            ),
            Connector(connector_id=2),
        ),
    )


def event(action: TicketAction = TicketAction.OPENED, minute: int = 0, **changes: Any) -> TicketEvent:
    fields: dict[str, Any] = {"at": NOON + timedelta(minutes=minute), "action": action, "actor": "detector"}
    return TicketEvent(**(fields | changes))


def ticket(ticket_id: str = "T-1", **changes: Any) -> Ticket:
    fields: dict[str, Any] = {
        "fault": "no_power",
        "asset": Asset(kind="connector", id="SE-1/1"),
        "station_id": "SE-1",
        "connector_id": 1,
        "severity": Severity.P2,
        "opened_at": NOON,
        "updated_at": NOON,
        "evidence": (Evidence(label="power", value="0 W", threshold="> 500 W", peers="7 kW", at=NOON),),
        "explanation": "No power flows.",
        "mrec": ("CX001",),
        "revenue_at_risk": Money(amount=Decimal("12.50"), currency="SEK"),
        "confidence": 0.9,
        "events": (event(),),
    }
    return Ticket(ticket_id=ticket_id, **(fields | changes))
