"""`/stations`: all stations with their states, and everything about one of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import auth, formats, queries
from dashboard.auth import Action
from dashboard.components import desk, rows, said_by_station, shell, tiles, words
from dashboard.context import AppContext
from dashboard.pages import station_commands
from dashboard.pages.wiring import in_browser, permitted
from laddvakt.domain.stations import Connector

PARTS = ("stations",)


def columns() -> list[desk.Column]:
    return [
        {"field": "id", "headerName": "Station", "width": 140, "sort": "asc"},
        {"field": "state_word", "headerName": "State", "width": 140, "cellRenderer": "LaddvaktState"},
        {"field": "site", "headerName": "Site", "width": 170},
        {"field": "free", "headerName": "Free", "width": 90},
        {"field": "severity", "headerName": "Gravest ticket", "width": 145, "cellRenderer": "LaddvaktSeverity"},
        desk.number_column("tickets", "Open tickets", 0, width=135),
        {"field": "model", "headerName": "Model", "width": 190},
        {"field": "firmware", "headerName": "Firmware", "width": 105},
        {"field": "protocol", "headerName": "Protocol", "width": 105},
        desk.number_column("max_kw", "Rated, kW", 0, width=120),
        {"field": "last_seen", "headerName": "Last seen", "width": 180},
    ]


def layout(context: AppContext) -> Any:
    zone = context.settings.timezone

    def page(station: str = "", **_query: str) -> Component:
        return shell.page(
            desk.head("Stations", note=f"Times in {zone}. Choose a row for its connectors, sessions and tickets."),
            desk.grid("stations-grid", columns(), label="Stations", empty="No stations yet."),
            dcc.Store(id="stations-chosen", data=station or None),
            dmc.Drawer(
                id="station-drawer",
                title="Station",
                position="right",
                size="min(100vw, 640px)",
                children=[
                    html.Div(id="station-detail"),
                    station_commands.panel(auth.signed_in()),
                    html.Div(id="station-more"),
                ],
                closeButtonProps=shell.aria(label="Close"),
            ),
            scheme="desk",
            active="/stations",
            who=auth.signed_in(),
        )

    return page


def register(app: Dash, context: AppContext) -> None:
    station_commands.register(app, context)
    zone = context.settings.zone

    @app.callback(Output("stations-grid", "rowData"), Input("stations-grid", "id"))
    async def fill(_: str) -> list[rows.Row]:
        permitted(Action.VIEW_STATIONS)
        found = await asyncio.to_thread(queries.stations, context.records)
        return [
            rows.station_row(
                station,
                found.site_names.get(station.site_id or "", station.site_id or ""),
                zone,
                severity=str(tiles.worst_severity(found.tickets.get(station.station_id, [])) or ""),
                tickets=len(found.tickets.get(station.station_id, [])),
            )
            for station in found.stations
        ]

    in_browser(
        app,
        "chosenRow",
        Output("stations-chosen", "data"),
        Input("stations-grid", "selectedRows"),
        prevent_initial_call=True,
    )

    in_browser(
        app,
        "drawerClosed",
        Output("stations-grid", "deselectAll"),
        Input("station-drawer", "opened"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("station-drawer", "opened"),
        Output("station-drawer", "title"),
        Output("station-detail", "children"),
        Output("station-more", "children"),
        Input("stations-chosen", "data"),
    )
    async def open_drawer(station_id: str | None) -> Any:
        permitted(Action.VIEW_STATIONS)
        if not station_id:
            return no_update, no_update, no_update, no_update
        found = await asyncio.to_thread(queries.station_detail, context.records, station_id)
        if found is None:
            return True, "Station", dmc.Alert(f"There is no station {station_id}.", color="yellow"), None
        parts = more(found, zone)
        who = auth.signed_in()
        if who is not None and who.may(Action.VIEW_STATION_DETAILS):
            said = await asyncio.to_thread(queries.said_by_station, context.records, station_id)
            parts += said_by_station.folded(said, zone)
        return True, station_id, detail(found, zone=zone, now=context.clock()), parts


def detail(found: queries.StationDetail, *, zone: ZoneInfo, now: datetime) -> list[Component]:
    """What one station does now."""
    station = found.station
    return [
        html.Div([desk.badge(words.STATION[station.state])], className="badges"),
        html.P(tiles.note(station, now=now, zone=zone), className="note"),
        html.H2("Connectors"),
        desk.simple_table(
            ("Connector", "State", "Since", "Error", "Power"),
            [connector_line(connector, zone) for connector in station.connectors],
            label="Connectors",
        ),
    ]


def more(found: queries.StationDetail, zone: ZoneInfo) -> list[Component]:
    """Everything else about it."""
    station = found.station
    return [
        html.H2("Open tickets"),
        open_tickets(found),
        html.H2("Latest sessions"),
        latest_sessions(found, zone),
        html.H2("Facts"),
        desk.facts(
            (
                ("Site", found.site.name if found.site else station.site_id),
                ("Vendor", station.vendor),
                ("Model", station.model),
                ("Serial number", station.serial_number),
                ("Firmware", station.firmware),
                ("Firmware update", station.firmware_status),
                ("Upload of logs", station.diagnostics_status),
                ("Protocol", station.protocol),
                ("Rated power", formats.power(station.max_power_w) if station.max_power_w else ""),
                ("Current", station.current),
                ("Last seen", formats.local_seconds(station.last_seen, zone)),
                ("Last boot", formats.local_seconds(station.booted_at, zone)),
                ("Known by", "network file" if station.registered else "its own word only"),
            )
        ),
    ]


def connector_line(connector: Connector, zone: ZoneInfo) -> list[Any]:
    error = connector.error_code if connector.error_code != "NoError" else ""
    limited = f", limited by {connector.limited_by}" if connector.limited_by else ""
    return [
        str(connector.connector_id) if connector.connector_id else "station",
        words.CONNECTOR[connector.status],
        formats.local(connector.status_since, zone),
        " ".join(part for part in (error, connector.vendor_error_code or "", connector.info or "") if part) or "–",
        formats.power(connector.power_w) + limited,
    ]


def open_tickets(found: queries.StationDetail) -> Component:
    if not found.tickets:
        return html.P("None.", className="note")
    return html.Ul(
        [
            html.Li(
                [
                    desk.severity_chip(ticket.severity),
                    " ",
                    html.A(words.fault_title(ticket.fault), href=f"/tickets?ticket={ticket.ticket_id}"),
                    f" · {words.TICKET[ticket.state].word}",
                ]
            )
            for ticket in found.tickets
        ],
        className="bare",
    )


def latest_sessions(found: queries.StationDetail, zone: ZoneInfo) -> Component:
    if not found.sessions:
        return html.P("None yet.", className="note")
    return desk.simple_table(
        ("Started", "State", "Energy", "Cost incl. VAT"),
        [
            [
                html.A(formats.local(session.started_at, zone), href=f"/sessions?session={session.session_id}"),
                words.SESSION[session.state].word,
                formats.energy(session.energy_wh),
                formats.money(session.cost.incl_vat if session.cost else None),
            ]
            for session in found.sessions
        ],
        label="Latest sessions",
    )
