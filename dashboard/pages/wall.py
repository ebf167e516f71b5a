"""`/`: the wall. The server pushes, `assets/wall.js` draws; see `dashboard.live`."""

from __future__ import annotations

from typing import Any

from dash import Dash, html
from dash.development.base_component import Component

from dashboard import auth
from dashboard.components import shell
from dashboard.components.shell import aria
from dashboard.context import AppContext

PARTS = ("sites", "stations", "tickets", "totals")

TOTALS = (
    ("up", "Stations up"),
    ("charging", "Charging now"),
    ("kw", "Power now"),
    ("kwh", "Energy today"),
    ("revenue", "Revenue today, incl. VAT"),
)


def layout(context: AppContext) -> Any:
    zone = context.settings.timezone

    def wall(kiosk: str = "", **_query: str) -> Component:
        return shell.page(
            html.H1("Charging network, now", className="visually-hidden"),
            html.Section(totals(zone), className="totals", **aria(label="Totals")),
            html.Div(
                [
                    html.Section(id="wall-sites", className="sites", **aria(label="Stations")),
                    tickets(),
                ],
                className="wall-body",
            ),
            scheme="wall",
            active="/",
            who=auth.signed_in(),
            bare=kiosk not in {"", "0", "false"},
        )

    return wall


def totals(zone: str) -> list[Component]:
    figures = [
        html.Div(
            [html.Div(word, className="total-word"), html.Div("–", id=f"total-{name}", className="total-value")],
            className=f"total total-{name}",
        )
        for name, word in TOTALS
    ]
    clock = html.Div(
        [html.Div(zone, className="total-word"), html.Div("--:--", id="wall-clock", className="total-value")],
        className="total total-clock",
    )
    return [*figures, clock]


def tickets() -> Component:
    return html.Section(
        [
            html.Div(
                [html.H2("Open tickets", id="tickets-head"), html.Div(id="ticket-counts", className="counts")],
                className="tickets-top",
            ),
            html.Ol(id="wall-tickets", className="ticket-list"),
            html.P("No open tickets.", id="no-tickets", className="calm", hidden=True),
        ],
        className="tickets",
        **aria(labelledby="tickets-head"),
    )


def register(_app: Dash, _context: AppContext) -> None:
    """Nothing to wire: what the server pushes is drawn by the one callback that every page has."""
