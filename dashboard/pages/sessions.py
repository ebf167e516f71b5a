"""`/sessions`: all sessions, newest first, live; a drawer with everything about one of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import auth, formats, queries
from dashboard.auth import Action
from dashboard.components import desk, rows, shell, words
from dashboard.context import AppContext
from dashboard.figures.session import session_curves
from dashboard.pages.wiring import in_browser, permitted
from laddvakt.domain.sessions import Quality, SessionState

PARTS = ("sessions",)

STATES = (("all", "All"), ("active", "Charging"), ("suspended", "Paused"), ("ended", "Ended"))
TIMES = (("today", "Today"), ("7d", "7 days"), ("30d", "30 days"), ("ever", "All time"))


def columns() -> list[desk.Column]:
    return [
        {"field": "started", "headerName": "Started", "width": 180, "sort": "desc", "sortIndex": 0},
        {"field": "station", "headerName": "Station", "width": 130},
        {"field": "connector", "headerName": "Connector", "width": 125, "type": "rightAligned"},
        {
            "field": "state_word",
            "headerName": "State",
            "width": 125,
            "cellRenderer": "LaddvaktState",
        },
        desk.number_column("energy_kwh", "Energy, kWh", 2, width=125),
        desk.number_column("power_kw", "Power, kW", 1),
        desk.number_column("soc_pct", "Battery, %", 0),
        {
            "field": "duration_s",
            "headerName": "Duration",
            "width": 125,
            "type": "rightAligned",
            "valueFormatter": {"function": "laddvaktDuration(params.value)"},
        },
        desk.number_column("cost", "Cost incl. VAT", 2, width=140),
        {"field": "currency", "headerName": "", "width": 80, "sortable": False},
        {"field": "quality", "headerName": "Figures", "width": 150, "cellRenderer": "LaddvaktQuality"},
    ]


def layout(context: AppContext) -> Any:
    zone = context.settings.timezone

    def page(session: str = "", station: str = "", **_query: str) -> Component:
        who = auth.signed_in()
        return shell.page(
            desk.head("Sessions", note=f"Times in {zone}. Choose a row for its details."),
            html.Div(
                [
                    desk.choice("sessions-state", STATES, "all", label="State"),
                    desk.choice("sessions-time", TIMES, "7d", label="Started within"),
                    dmc.Select(
                        id="sessions-station",
                        placeholder="All stations",
                        searchable=True,
                        clearable=True,
                        data=[station] if station else [],
                        value=station or None,
                        size="md",
                        className="station-select",
                        **shell.aria(label="Station"),
                    ),
                    html.Span(id="sessions-note", className="note", role="status"),
                ],
                className="filters",
            ),
            desk.grid("sessions-grid", columns(), label="Sessions", empty="No sessions fit this filter."),
            dcc.Store(id="sessions-chosen", data=session or None),
            dmc.Drawer(
                id="session-drawer",
                title="Session",
                position="right",
                size="min(100vw, 640px)",
                children=html.Div(id="session-detail"),
                closeButtonProps=shell.aria(label="Close"),
            ),
            scheme="desk",
            active="/sessions",
            who=who,
        )

    return page


def wanted(
    state: str, time: str, station: str | None, *, now: datetime, context: AppContext
) -> queries.SessionFilter:
    """The filter that the controls mean."""
    since = None if time == "ever" else queries.span(time, now=now, zone=context.settings.zone).from_
    chosen = SessionState(state) if state in set(SessionState) else None
    return queries.SessionFilter(state=chosen, station_id=station or None, from_=since)


def register(app: Dash, context: AppContext) -> None:
    zone = context.settings.zone

    @app.callback(
        Output("sessions-grid", "rowData"),
        Output("sessions-note", "children"),
        Input("sessions-state", "value"),
        Input("sessions-time", "value"),
        Input("sessions-station", "value"),
    )
    async def fill(state: str, time: str, station: str | None) -> Any:
        permitted(Action.VIEW_SESSIONS)
        chosen = wanted(state, time, station, now=context.clock(), context=context)
        found = await asyncio.to_thread(queries.sessions, context.records, chosen)
        note = f"The newest {len(found.sessions)} are shown; narrow the filter for others." if found.more else ""
        return [rows.session_row(session, zone) for session in found.sessions], note

    @app.callback(Output("sessions-station", "data"), Input("sessions-grid", "id"))
    async def name_stations(_: str) -> list[str]:
        permitted(Action.VIEW_STATIONS)
        return await asyncio.to_thread(queries.station_ids, context.records)

    in_browser(
        app,
        "chosenRow",
        Output("sessions-chosen", "data"),
        Input("sessions-grid", "selectedRows"),
        prevent_initial_call=True,
    )

    in_browser(
        app,
        "drawerClosed",
        Output("sessions-grid", "deselectAll"),
        Input("session-drawer", "opened"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("session-drawer", "opened"),
        Output("session-drawer", "title"),
        Output("session-detail", "children"),
        Input("sessions-chosen", "data"),
    )
    async def open_drawer(session_id: str | None) -> Any:
        permitted(Action.VIEW_SESSIONS)
        if not session_id:
            return no_update, no_update, no_update
        found = await asyncio.to_thread(
            queries.session_detail, context.records, context.telemetry, session_id, now=context.clock()
        )
        if found is None:
            return True, "Session", dmc.Alert(f"There is no session {session_id}.", color="yellow")
        return True, f"Session at {found.session.station_id}", detail(found, context)


def detail(found: queries.SessionDetail, context: AppContext) -> list[Component]:
    """Everything about one session."""
    session, zone = found.session, context.settings.zone
    return [
        html.Div(
            [desk.badge(words.SESSION[session.state]), desk.badge(words.QUALITY[session.quality])],
            className="badges",
        ),
        quality(found),
        html.Div(
            [
                big("Energy", formats.energy(session.energy_wh)),
                big("Cost incl. VAT", formats.money(session.cost.incl_vat if session.cost else None)),
                big("Duration", formats.duration(session.duration_s)),
            ],
            className="bigs",
        ),
        graph(found, context),
        html.H2("Price"),
        price(found),
        html.H2("Facts"),
        desk.facts(
            (
                ("Session", session.session_id),
                ("Transaction", session.transaction_id),
                ("Station", desk.link(session.station_id, f"/stations?station={session.station_id}")),
                ("Connector", str(session.connector_id)),
                ("Site", found.site.name if found.site else session.site_id),
                ("Cable", session.cable_id),
                ("Started", formats.local_seconds(session.started_at, zone)),
                ("Ended", formats.local_seconds(session.ended_at, zone)),
                ("Last reading", formats.local_seconds(session.last_reading_at, zone)),
                ("Stop reason", session.stop_reason),
                ("Register at start", register_text(session.meter_start_wh)),
                ("Register at stop", register_text(session.meter_stop_wh)),
                ("Token", found.token.label if found.token else session.token),
                ("Identified by", session.token_kind or (found.token.kind if found.token else None)),
                ("Driver", session.driver_id),
                ("Tariff", tariff_text(session.tariff_id, session.tariff_version)),
            )
        ),
    ]


def register_text(value_wh: int | None) -> str:
    return "" if value_wh is None else f"{formats.number(value_wh / 1000, 3)}{formats.UNIT}kWh"


def tariff_text(tariff_id: str | None, version: int | None) -> str:
    return "" if tariff_id is None else f"{tariff_id}, version {version}"


def big(word: str, value: str) -> Component:
    return html.Div([html.Div(word, className="note"), html.Div(value, className="big")])


def graph(found: queries.SessionDetail, context: AppContext) -> Component:
    return html.Div(
        dcc.Graph(
            figure=session_curves(found.curves, zone=context.settings.zone),
            config={"displayModeBar": False, "responsive": True},
        ),
        role="img",
        **shell.aria(label="Power, state of charge and energy over time"),
    )


def quality(found: queries.SessionDetail) -> Component:
    """Why the figures are not taken at their word."""
    reasons = found.session.quality_reasons
    if not reasons:
        return html.Div(hidden=True)
    held = found.session.quality is Quality.SUSPECT
    title = "Held from invoicing until somebody releases it" if held else "A part of this was worked out"
    alert: Component = dmc.Alert(
        html.Ul([html.Li(reason.replace("_", " ")) for reason in reasons], className="reasons"),
        title=title,
        color="red" if held else "yellow",
    )
    return alert


def price(found: queries.SessionDetail) -> Component:
    """The lines of the price, and their sum."""
    cost = found.session.cost
    if cost is None:
        return html.P("No tariff applied to this session, so it has no price.", className="note")
    lines = [
        [
            line.component.capitalize(),
            f"{formats.number(line.quantity, 3)}{formats.UNIT}{line.unit}",
            formats.number(line.price, 4).rstrip("0").rstrip("."),
            "–" if line.vat_pct is None else f"{line.vat_pct:g}{formats.UNIT}%",
            formats.amount(line.excl_vat),
            formats.amount(line.excl_vat + line.vat),
        ]
        for line in cost.lines
    ]
    total = ["Total", "", "", "", formats.amount(cost.excl_vat.amount), formats.amount(cost.incl_vat.amount)]
    currency = cost.incl_vat.currency
    heads = ("Component", "Quantity", f"Price, {currency}", "VAT", "Excl. VAT", "Incl. VAT")
    return desk.simple_table(heads, [*lines, total], label=f"Price in {currency}")
