"""`/tickets`: what wants somebody, and what has been done about it. Made for a phone as much as for a desk."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import auth, formats, queries
from dashboard.auth import Action
from dashboard.components import desk, shell, tiles, words
from dashboard.components.shell import aria
from dashboard.components.ticket import detail, detail_head, history
from dashboard.context import AppContext
from dashboard.pages import ticket_work
from dashboard.pages.wiring import permitted
from laddvakt.domain.tickets import UNSETTLED, Ticket

PARTS = ("tickets",)


def layout(context: AppContext) -> Any:
    zone = context.settings.timezone

    def page(ticket: str = "", **_query: str) -> Component:
        who = auth.signed_in()
        return shell.page(
            html.Div(
                [
                    html.Section(
                        [
                            desk.head(
                                "Tickets",
                                desk.choice(
                                    "tickets-which",
                                    (("open", "Open"), ("settled", "Resolved")),
                                    "open",
                                    label="Which",
                                ),
                                html.A("Planned work", href="/silences", className="act"),
                            ),
                            html.Ol(id="tickets-list", className="pick-list"),
                        ],
                        className="tickets-pane",
                        **aria(label="Tickets"),
                    ),
                    html.Section(
                        [
                            html.A([shell.icon("back"), "All tickets"], href="/tickets", className="back-link"),
                            html.Div(id="ticket-head", className="card"),
                            ticket_work.actions(who),
                            html.Div(id="ticket-body"),
                        ],
                        className="ticket-pane",
                        **aria(label="Ticket"),
                    ),
                ],
                id="tickets-page",
                className=f"two-panes{' has-choice' if ticket else ''}",
            ),
            dcc.Store(id="ticket-chosen", data=ticket or None),
            dcc.Store(id="tickets-news"),  # set by assets/30-desk.js when a ticket changed
            dcc.Store(id="ticket-done"),
            html.P(f"Times in {zone}.", className="note"),
            scheme="desk",
            active="/tickets",
            who=who,
        )

    return page


def register(app: Dash, context: AppContext) -> None:
    ticket_work.register(app, context)
    _register_views(app, context)


def _register_views(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("tickets-list", "children"),
        Output("ticket-chosen", "data"),
        Input("tickets-which", "value"),
        Input("ticket-chosen", "data"),
        Input("tickets-news", "data"),
        Input("ticket-done", "data"),
    )
    async def fill(which: str, chosen: str | None, _news: Any, _done: Any) -> Any:
        permitted(Action.VIEW_TICKETS)
        found = await asyncio.to_thread(queries.tickets, context.records, settled=which == "settled")
        if not found:
            empty = "No open tickets." if which == "open" else "Nothing has been resolved yet."
            return [html.Li(empty, className="empty")], no_update
        # On a desk the gravest one is open from the start; a phone shows the list until somebody chooses.
        shown = chosen or found[0].ticket_id
        picks = [pick(ticket, shown, now=context.clock()) for ticket in found]
        return picks, no_update if chosen else shown

    @app.callback(
        Output("ticket-head", "children"),
        Output("ticket-body", "children"),
        Input("ticket-chosen", "data"),
        Input("tickets-news", "data"),
        Input("ticket-done", "data"),
    )
    async def show(chosen: str | None, _news: Any, _done: Any) -> Any:
        permitted(Action.VIEW_TICKETS)
        if not chosen:
            return html.P("A ticket's evidence and history are shown here.", className="empty"), None
        found = await asyncio.to_thread(queries.ticket_detail, context.records, chosen, now=context.clock())
        if found is None:
            return dmc.Alert(f"There is no ticket {chosen}.", color="yellow"), None
        zone = context.settings.zone
        return detail_head(found, zone=zone), [
            detail(found, zone=zone, now=context.clock()),
            history(found.ticket, zone),
        ]


def pick(ticket: Ticket, chosen: str | None, *, now: datetime) -> Component:
    """One line of the list."""
    current = aria(current="true") if ticket.ticket_id == chosen else {}
    pointer: dict[str, Any] = {"data-ticket": ticket.ticket_id}
    settled = ticket.state not in UNSETTLED
    age = f"open {formats.duration((now - ticket.opened_at).total_seconds())}"
    when = f"{words.TICKET[ticket.state].word}" if settled else age
    return html.Li(
        html.A(
            [
                html.Span(
                    [
                        desk.severity_chip(ticket.severity),
                        html.Span(words.fault_title(ticket.fault), className="pick-title"),
                    ],
                    className="pick-top",
                ),
                html.Span(
                    [
                        html.Span(tiles.asset_text(ticket), className="pick-asset"),
                        html.Span(when, className="pick-when"),
                    ],
                    className="pick-under",
                ),
                desk.badge(words.TICKET[ticket.state]) if not settled else None,
            ],
            href=f"/tickets?ticket={ticket.ticket_id}",
            className=f"pick sev-{ticket.severity}",
            **pointer,
            **current,
        )
    )
