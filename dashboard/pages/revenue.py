"""`/revenue`: what was earned, by station, site or day; what is held apart from it; a file for the accountant."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard import auth, formats, queries
from dashboard.auth import Action
from dashboard.components import desk, rows, shell
from dashboard.context import AppContext
from dashboard.figures.revenue import revenue_bars
from dashboard.pages.wiring import permitted
from laddvakt.stores.ports import RevenueRow

PARTS: tuple[str, ...] = ()

GROUPS = (("station", "Station"), ("site", "Site"), ("day", "Day"))

CSV_HEAD = (
    "key",
    "sessions",
    "energy_wh",
    "excl_vat",
    "incl_vat",
    "currency",
    "held_sessions",
    "held_incl_vat",
)


def columns(group_by: str) -> list[desk.Column]:
    return [
        {"field": "key", "headerName": dict(GROUPS).get(group_by, "Key"), "width": 150, "pinned": "left"},
        desk.number_column("sessions", "Sessions", 0, width=110),
        desk.number_column("energy_kwh", "Energy, kWh", 1, width=130),
        desk.number_column("excl_vat", "Excl. VAT", 2, width=130),
        desk.number_column("incl_vat", "Incl. VAT", 2, width=130),
        {"field": "currency", "headerName": "Currency", "width": 105},
        desk.number_column("held_sessions", "Held sessions", 0, width=130),
        desk.number_column("held_incl_vat", "Held, incl. VAT", 2, width=140),
    ]


def layout(context: AppContext) -> Any:
    zone = context.settings.timezone

    def page(**_query: str) -> Component:
        who = auth.signed_in()
        if who is None or not who.may(Action.VIEW_REVENUE):
            return shell.refusal(who, "/revenue", "managers")
        return shell.page(
            desk.head(
                "Revenue",
                html.Button([shell.icon("download"), "CSV"], id="revenue-export", className="act"),
                note=html.Span(id="revenue-note", role="status"),
            ),
            html.Div(
                [
                    desk.choice("revenue-period", tuple(queries.PERIODS.items()), "7d", label="Period"),
                    desk.choice("revenue-group", GROUPS, "station", label="By"),
                ],
                className="filters",
            ),
            html.Div(id="revenue-totals", className="cards"),
            html.Div(id="revenue-charts", className="card chart-card"),
            desk.grid(
                "revenue-grid", columns("station"), label="Revenue", empty="No ended sessions in this period."
            ),
            html.P(
                f"Ended sessions, days in {zone}. Held sessions have figures that contradict each other; they are "
                "in no sum until somebody releases them.",
                className="note",
            ),
            dcc.Download(id="revenue-file"),
            scheme="desk",
            active="/revenue",
            who=who,
        )

    return page


def register(app: Dash, context: AppContext) -> None:
    zone = context.settings.zone

    async def load(period: str, group_by: str) -> tuple[queries.Span, list[RevenueRow]]:
        permitted(Action.VIEW_REVENUE)
        over = queries.span(period, now=context.clock(), zone=zone)
        by = group_by if group_by in dict(GROUPS) else "station"
        return over, await asyncio.to_thread(queries.revenue, context.records, group_by=by, over=over, zone=zone)

    @app.callback(
        Output("revenue-grid", "rowData"),
        Output("revenue-grid", "columnDefs"),
        Output("revenue-totals", "children"),
        Output("revenue-charts", "children"),
        Output("revenue-note", "children"),
        Input("revenue-period", "value"),
        Input("revenue-group", "value"),
    )
    async def fill(period: str, group_by: str) -> Any:
        over, found = await load(period, group_by)
        table = [{**rows.revenue_row(row), "id": f"{row.key}|{row.currency}"} for row in found]
        note = f"{over.words}, {zone.key}"
        return table, desk.roomy(columns(group_by)), totals(found), charts(found, by_day=group_by == "day"), note

    @app.callback(
        Output("revenue-file", "data"),
        Input("revenue-export", "n_clicks"),
        State("revenue-period", "value"),
        State("revenue-group", "value"),
        prevent_initial_call=True,
    )
    async def export(_clicks: int, period: str, group_by: str) -> dict[str, Any]:
        over, found = await load(period, group_by)
        name = f"revenue-by-{group_by}-{over.words.replace(' ', '-')}.csv"
        return {"content": revenue_csv(found), "filename": name, "type": "text/csv"}


def totals(found: Sequence[RevenueRow]) -> list[Component]:
    """One card per figure and currency."""
    sums = queries.revenue_totals(found)
    if not sums:
        return [card("Revenue, incl. VAT", formats.NONE)]
    cards: list[Component] = []
    for total in sums:
        held = f"{formats.amount(total.held_incl_vat)}{formats.UNIT}{total.currency}"
        cards += [
            card("Revenue, incl. VAT", f"{formats.amount(total.incl_vat)}{formats.UNIT}{total.currency}"),
            card("Excl. VAT", f"{formats.amount(total.excl_vat)}{formats.UNIT}{total.currency}"),
            card("Energy", formats.energy(total.energy_wh)),
            card("Sessions", formats.number(total.sessions)),
            card(
                "Held, incl. VAT", held, f"{total.held_sessions} sessions", "held" if total.held_sessions else ""
            ),
        ]
    return cards


def card(word: str, value: str, under: str = "", kind: str = "") -> Component:
    return html.Div(
        [html.Div(word, className="note"), html.Div(value, className="big"), html.Div(under, className="note")],
        className=f"card {kind}".strip(),
    )


def charts(found: Sequence[RevenueRow], *, by_day: bool) -> list[Component]:
    """One chart per currency: amounts of different ones stand on no common axis."""
    currencies = sorted({row.currency for row in found}) or [""]
    return [
        html.Div(
            dcc.Graph(
                figure=revenue_bars(found, currency=currency, by_day=by_day),
                config={"displayModeBar": False, "responsive": True},
            ),
            role="img",
            **shell.aria(label=f"Revenue as bars, {currency}; the table below has the same figures"),
        )
        for currency in currencies
    ]


def revenue_csv(found: Sequence[RevenueRow]) -> str:
    """Comma-separated, point decimals, exact amounts, one head line. Cells that a spreadsheet would run as a
    formula are quoted with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_HEAD)
    for row in found:
        writer.writerow(
            (
                harmless(row.key),
                row.sessions,
                row.energy_wh,
                row.excl_vat,
                row.incl_vat,
                row.currency,
                row.held_sessions,
                row.held_incl_vat,
            )
        )
    return out.getvalue()


def harmless(text: str) -> str:
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
