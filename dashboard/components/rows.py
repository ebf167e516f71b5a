"""Rows of the tables: one flat, JSON-able dict per object. Numbers stay numbers so that tables sort them; their
units are in the column heads, their format in `assets/grid.js`. Pure."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from dashboard import formats
from dashboard.components import words
from laddvakt.domain.sessions import Session
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.times import rfc3339
from laddvakt.stores.ports import QuarantineItem, RevenueRow

Row = dict[str, Any]


def session_row(session: Session, zone: ZoneInfo) -> Row:
    cost = session.cost.incl_vat if session.cost else None
    return {
        "id": session.session_id,
        "station": session.station_id,
        "connector": session.connector_id,
        "site": session.site_id or "",
        "state": str(session.state),
        "state_word": words.SESSION[session.state].word,
        "started_at": rfc3339(session.started_at),
        "started": formats.local(session.started_at, zone),
        "ended": formats.local(session.ended_at, zone),
        "duration_s": session.duration_s,
        "energy_kwh": session.energy_wh / 1000,
        "power_kw": None if session.power_w is None or session.ended_at else session.power_w / 1000,
        "soc_pct": session.soc_pct,
        "type": session.charging_type or "",
        "cost": None if cost is None else float(cost.amount),  # for the table only; sums are made of decimals
        "currency": "" if cost is None else cost.currency,
        "quality": words.QUALITY[session.quality].word,
        "quality_code": str(session.quality),
    }


def station_row(station: Station, site_name: str, zone: ZoneInfo, *, severity: str = "", tickets: int = 0) -> Row:
    plugs = [c for c in station.connectors if c.connector_id > 0]
    return {
        "id": station.station_id,
        "site": site_name,
        "state": str(station.state),
        "state_word": words.STATION[station.state].word,
        "free": f"{sum(c.status is ConnectorState.AVAILABLE for c in plugs)} of {len(plugs)}",
        "model": " ".join(part for part in (station.vendor, station.model) if part),
        "firmware": station.firmware or "",
        "protocol": station.protocol or "",
        "max_kw": None if station.max_power_w is None else station.max_power_w / 1000,
        "last_seen": formats.local(station.last_seen, zone),
        "severity": severity,
        "tickets": tickets,
        "registered": station.registered,
    }


def revenue_row(row: RevenueRow) -> Row:
    return {
        "key": row.key or "(none)",
        "period": row.period,
        "sessions": row.sessions,
        "energy_kwh": row.energy_wh / 1000,
        "excl_vat": float(row.excl_vat),
        "incl_vat": float(row.incl_vat),
        "currency": row.currency,
        "held_sessions": row.held_sessions,
        "held_incl_vat": float(row.held_incl_vat),
    }


def quarantine_row(item: QuarantineItem, zone: ZoneInfo) -> Row:
    return {
        "id": item.item_id,
        "received": formats.local_seconds(item.received_at, zone),
        "station": item.station_id,
        "reason": words.REASON[item.reason],
        "detail": item.detail,
        "state": words.QUARANTINE[item.state].word,
        "by": item.settled_by or "",
    }
