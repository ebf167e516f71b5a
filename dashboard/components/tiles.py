"""What the wall shows of a station, of a ticket and of the whole: plain values for the browser. Pure.

Texts come ready to show, so that the browser only places them; times that keep running (how long a session or
a ticket has lasted) come as RFC 3339 and are counted on there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dashboard import formats
from dashboard.components import words
from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Session
from laddvakt.domain.stations import Connector, ConnectorState, Site, Station, StationState
from laddvakt.domain.tickets import UNSETTLED, Severity, Ticket
from laddvakt.domain.times import rfc3339

View = dict[str, Any]
"""JSON-able values of one tile or card."""


def station_tile(
    station: Station, sessions: Sequence[Session], worst: Severity | None, *, now: datetime, zone: ZoneInfo
) -> View:
    """One station: its state in a word, its power, its live sessions and its gravest open ticket."""
    look = words.STATION[station.state]
    kw = total_power_w(station, sessions)
    started = min((session.started_at for session in sessions), default=None)
    soc = sessions[0].soc_pct if len(sessions) == 1 else None
    view: View = {
        "id": station.station_id,
        "site": station.site_id or "",
        "state": str(station.state),
        "word": look.word,
        "icon": look.icon,
        "kw": formats.kilo(kw) if sessions else "",
        "kwh": formats.energy(sum(session.energy_wh for session in sessions)) if sessions else "",
        "cost": cost_text(sessions),
        "soc": None if soc is None else round(soc),
        "since": None if started is None else rfc3339(started),
        "sessions": len(sessions),
        "down": station.state in words.DOWN,
        "note": note(station, now=now, zone=zone),
        "ticket": None if worst is None else str(worst),
    }
    view["label"] = _label(view)
    return view


def total_power_w(station: Station, sessions: Sequence[Session]) -> float:
    """Power now: the sessions' own; a silent session counts by its connector's last word. 0 while offline."""
    if not station.connected:
        return 0.0
    total = 0.0
    for session in sessions:
        connector = station.connector(session.connector_id)
        reported = session.power_w if session.power_w is not None else connector.power_w if connector else None
        total += reported or 0.0
    return total


def cost_text(sessions: Iterable[Session]) -> str:
    """What the sessions cost so far, including VAT, by currency."""
    sums = money_by_currency(session.cost.incl_vat for session in sessions if session.cost)
    return " + ".join(formats.money(Money(amount=value, currency=name)) for name, value in sorted(sums.items()))


def money_by_currency(amounts: Iterable[Money]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for item in amounts:
        sums[item.currency] = sums.get(item.currency, Decimal(0)) + item.amount
    return sums


def _plugs(station: Station) -> list[Connector]:
    return [connector for connector in station.connectors if connector.connector_id > 0]


def note(station: Station, *, now: datetime, zone: ZoneInfo) -> str:
    """The second line of a tile: why it is in its state, or what is free."""
    if station.state is StationState.OFFLINE:
        if station.last_seen is None:
            return "never connected"
        return f"last seen {formats.clock_time(station.last_seen, now, zone)}"
    if station.state is StationState.FAULTED:
        return _fault_note(station)
    plugs = _plugs(station)
    free = sum(connector.status is ConnectorState.AVAILABLE for connector in plugs)
    if station.state is StationState.OCCUPIED:
        waiting = [words.CONNECTOR[c.status] for c in plugs if c.status is not ConnectorState.AVAILABLE]
        return waiting[0] if waiting else ""
    if len(plugs) > 1 and station.state in {StationState.AVAILABLE, StationState.CHARGING}:
        return f"{free} of {len(plugs)} free"
    return ""


def _fault_note(station: Station) -> str:
    faulted = [c for c in station.connectors if c.status is ConnectorState.FAULTED]
    if not faulted:
        return ""
    connector = faulted[0]
    known = connector.error_code if connector.error_code != "NoError" else None
    what = connector.vendor_error_code or connector.info if known in {None, "OtherError"} else known
    where = f"connector {connector.connector_id}" if connector.connector_id else "station"
    return f"{what or known or 'no code given'} · {where}"


def _label(view: View) -> str:
    parts = [f"{view['id']}: {view['word']}", view["note"]]
    if view["sessions"]:
        parts.append(f"{view['kw']} kW, {view['kwh']}")
        parts.append("" if view["soc"] is None else f"battery {view['soc']} percent")
        parts.append(view["cost"])
    if view["ticket"]:
        parts.append(f"open {view['ticket']} ticket")
    return ", ".join(part for part in parts if part)


def ticket_card(ticket: Ticket) -> View:
    """One open ticket in the wall's list."""
    return {
        "id": ticket.ticket_id,
        "severity": str(ticket.severity),
        "word": words.SEVERITY[ticket.severity].word,
        "title": words.fault_title(ticket.fault),
        "asset": asset_text(ticket),
        "station": ticket.station_id,
        "state": str(ticket.state),
        "state_word": words.TICKET[ticket.state].word,
        "since": rfc3339(ticket.opened_at),
        "cause": ticket.probable_cause,
        "assignee": ticket.assignee or "",
    }


def asset_text(ticket: Ticket) -> str:
    """`SE-1, connector 2`, `cable C-17 at SE-1`, `site Norra hamnen`."""
    if ticket.asset.kind == "site":
        return f"site {ticket.asset.id}"
    if ticket.asset.kind == "cable":
        return f"cable {ticket.asset.id}" + (
            "" if ticket.asset.id.startswith(ticket.station_id) else f" at {ticket.station_id}"
        )
    if ticket.connector_id:
        return f"{ticket.station_id}, connector {ticket.connector_id}"
    return ticket.station_id


def worst_severity(tickets: Iterable[Ticket]) -> Severity | None:
    """The gravest among unsettled tickets, or None."""
    return min((ticket.severity for ticket in tickets if ticket.state in UNSETTLED), default=None)


def site_view(site: Site) -> View:
    return {"id": site.site_id, "name": site.name}


def totals_view(
    *,
    stations: Sequence[Station],
    sessions: Sequence[Session],
    ended_wh: int,
    ended_money: dict[str, Decimal],
    currency: str,
    kw_w: float,
) -> View:
    """The strip of big numbers. `ended_*` is what ended since local midnight; what still runs is added."""
    running = money_by_currency(session.cost.incl_vat for session in sessions if session.cost)
    sums = {
        name: ended_money.get(name, Decimal(0)) + running.get(name, Decimal(0))
        for name in {*ended_money, *running} or {currency}
    }
    order = sorted(sums, key=lambda name: (-sums[name], name))
    energy_wh = ended_wh + sum(session.energy_wh for session in sessions)
    return {
        "up": sum(station.state not in words.DOWN for station in stations),
        "stations": len(stations),
        "faulted": sum(station.state is StationState.FAULTED for station in stations),
        "offline": sum(station.state is StationState.OFFLINE for station in stations),
        "charging": sum(station.state is StationState.CHARGING for station in stations),
        "kw": formats.kilo(kw_w),
        "kwh": formats.kilo(energy_wh, 1 if energy_wh < 1_000_000 else 0),
        "revenue": [[formats.amount(sums[name]), name] for name in order],
    }
