"""`/tickets`: what wants somebody, and what has been done about it. Made for a phone as much as for a desk."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import auth, formats, queries
from dashboard.auth import Action, Principal
from dashboard.components import deliveries, desk, shell, tiles, words
from dashboard.components.shell import aria
from dashboard.context import AppContext
from dashboard.pages.wiring import permitted
from dashboard.tickets import act
from laddvakt.domain.errors import ConflictError, NotFoundError, StoreError
from laddvakt.domain.tickets import UNSETTLED, Evidence, Ticket, TicketAction, TicketEvent, TicketState
from laddvakt.domain.times import rfc3339

PARTS = ("tickets",)

COMMENT_LONGEST = 2_000

BUTTONS = {
    "ticket-acknowledge": TicketAction.ACKNOWLEDGED,
    "ticket-resolve": TicketAction.RESOLVED,
    "ticket-comment-send": TicketAction.COMMENTED,
    "ticket-reopen": TicketAction.REOPENED,
}

DONE = {
    TicketAction.ACKNOWLEDGED: "Acknowledged.",
    TicketAction.RESOLVED: "Resolved.",
    TicketAction.COMMENTED: "Comment saved.",
    TicketAction.REOPENED: "Reopened.",
}


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
                            actions(who),
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


def actions(who: Principal | None) -> Component:
    """What can be done; shown whole to those who may, and as a sentence to the others."""
    if who is None or not who.may(Action.WORK_ON_TICKETS):
        role = who.role if who else "nobody"
        return html.Div(
            [
                html.P(
                    f"Your role is {role}: you can look. Maintainers and managers acknowledge and resolve.",
                    className="note",
                ),
                *[html.Button(id=name, hidden=True) for name in BUTTONS],
                dcc.Textarea(id="ticket-comment", style={"display": "none"}),
                html.Div(id="ticket-message", hidden=True),
            ],
            id="ticket-actions",
            className="card",
        )
    return html.Div(
        [
            html.Label("Comment (optional)", htmlFor="ticket-comment", className="label"),
            dcc.Textarea(id="ticket-comment", maxLength=COMMENT_LONGEST, rows=2, className="comment"),
            html.Div(
                [
                    html.Button(
                        [shell.icon("eye"), "Acknowledge"], id="ticket-acknowledge", className="act primary"
                    ),
                    html.Button([shell.icon("check"), "Resolve"], id="ticket-resolve", className="act good"),
                    html.Button([shell.icon("alert"), "Reopen"], id="ticket-reopen", className="act", hidden=True),
                    html.Button("Comment only", id="ticket-comment-send", className="act"),
                ],
                className="acts",
            ),
            html.Div(id="ticket-message", className="message", role="status"),
        ],
        id="ticket-actions",
        className="card",
    )


def register(app: Dash, context: AppContext) -> None:
    _register_views(app, context)
    _register_actions(app, context)


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
        Output("ticket-actions", "hidden"),
        Output("ticket-acknowledge", "disabled"),
        Output("ticket-resolve", "hidden"),
        Output("ticket-reopen", "hidden"),
        Input("ticket-chosen", "data"),
        Input("tickets-news", "data"),
        Input("ticket-done", "data"),
    )
    async def show(chosen: str | None, _news: Any, _done: Any) -> Any:
        who = permitted(Action.VIEW_TICKETS)
        if not chosen:
            words_ = html.P("Choose a ticket to see its evidence and history.", className="empty")
            return words_, None, True, True, True, True
        found = await asyncio.to_thread(queries.ticket_detail, context.records, chosen)
        if found is None:
            gone = dmc.Alert(f"There is no ticket {chosen}.", color="yellow")
            return gone, None, True, True, True, True
        zone, state = context.settings.zone, found.ticket.state
        may = who.may(Action.WORK_ON_TICKETS)
        settled = state not in UNSETTLED
        return (
            detail_head(found.ticket),
            [detail(found, zone=zone, now=context.clock()), history(found.ticket, zone)],
            False,
            state is not TicketState.OPEN,
            settled or not may,
            not settled or not may,
        )


def _register_actions(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("ticket-done", "data"),
        Output("ticket-message", "children"),
        Output("ticket-message", "className"),
        Output("ticket-comment", "value"),
        *[Input(name, "n_clicks") for name in BUTTONS],
        State("ticket-chosen", "data"),
        State("ticket-comment", "value"),
        prevent_initial_call=True,
        running=[(Output("ticket-resolve", "disabled"), True, False)],
    )
    async def do(*values: Any) -> Any:
        who = permitted(Action.WORK_ON_TICKETS)
        clicks, chosen, comment = values[: len(BUTTONS)], values[-2], (values[-1] or "").strip()
        action = BUTTONS.get(str(ctx.triggered_id))
        if action is None or not any(clicks) or not chosen:
            return no_update, no_update, no_update, no_update
        if action is TicketAction.COMMENTED and not comment:
            return no_update, "Write a comment first.", "message message-bad", no_update
        try:
            ticket = await act(
                context, ticket_id=chosen, action=action, actor=who.name, detail=comment[:COMMENT_LONGEST]
            )
        except (ConflictError, NotFoundError, StoreError) as error:
            return rfc3339(context.clock()), str(error), "message message-bad", no_update
        return f"{ticket.ticket_id} {rfc3339(context.clock())}", DONE[action], "message message-good", ""


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


def detail_head(ticket: Ticket) -> list[Component | None]:
    """What it is, where, and what to do about it."""
    return [
        html.Div(
            [desk.severity_chip(ticket.severity), desk.badge(words.TICKET[ticket.state])],
            className="badges",
        ),
        html.H2(f"{words.fault_title(ticket.fault)}: {tiles.asset_text(ticket)}", className="ticket-name"),
        html.P(ticket.probable_cause, className="lead") if ticket.probable_cause else None,
        html.Div([html.H3("Do this"), html.P(ticket.suggested_action)], className="todo")
        if ticket.suggested_action
        else None,
    ]


def detail(found: queries.TicketDetail, *, zone: ZoneInfo, now: datetime) -> Component:
    """Why we think so, and the facts around it."""
    ticket = found.ticket
    parts = [
        html.H3("Evidence"),
        html.P(ticket.explanation) if ticket.explanation else None,
        evidence(ticket.evidence, zone),
        desk.facts(
            (
                ("Ticket", ticket.ticket_id),
                ("Station", desk.link(ticket.station_id, f"/stations?station={ticket.station_id}")),
                ("Model", station_model(found)),
                ("Site", found.site.name if found.site else ticket.site_id),
                ("Opened", since(ticket.opened_at, now, zone)),
                ("Resolved", formats.local_seconds(ticket.resolved_at, zone)),
                ("Assigned to", ticket.assignee),
                ("Confidence", formats.percent(ticket.confidence * 100)),
                ("Times found", str(ticket.findings)),
                ("Codes", ", ".join(ticket.mrec)),
                ("Revenue at risk", formats.money(ticket.revenue_at_risk) if ticket.revenue_at_risk else ""),
                ("Verdict", (ticket.verdict or "").replace("_", " ")),
            )
        ),
        others(found.others),
        deliveries.told(found.deliveries, zone),
    ]
    return html.Div([part for part in parts if part is not None], className="card")


def since(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    return f"{formats.local_seconds(at, zone)}, {formats.duration((now - at).total_seconds())} ago"


def station_model(found: queries.TicketDetail) -> str:
    station = found.station
    return "" if station is None else " ".join(part for part in (station.vendor, station.model) if part)


def evidence(items: tuple[Evidence, ...], zone: ZoneInfo) -> Component:
    """The readings that speak for the fault, each with its threshold and the peers it was compared with."""
    if not items:
        return html.P("No readings were kept with this ticket.", className="note")
    rows = [
        [
            item.label,
            html.Strong(item.value),
            item.threshold,
            item.peers,
            formats.local(item.at, zone),
        ]
        for item in items
    ]
    heads = ("Reading", "Value", "Threshold", "Compared with", "When")
    return html.Div(desk.simple_table(heads, rows, label="Evidence"), className="evidence")


def others(found: list[Ticket]) -> Component | None:
    if not found:
        return None
    links = [
        html.Li(
            [
                desk.severity_chip(other.severity),
                " ",
                html.A(words.fault_title(other.fault), href=f"/tickets?ticket={other.ticket_id}"),
            ]
        )
        for other in found
    ]
    return html.Div([html.H3("Also open at this station"), html.Ul(links, className="bare")])


def history(ticket: Ticket, zone: ZoneInfo) -> Component:
    """Everything that happened, the newest first."""
    events = [html.Li(event_line(event, zone)) for event in reversed(ticket.events)]
    return html.Div([html.H3("History"), html.Ol(events, className="history")], className="card")


def event_line(event: TicketEvent, zone: ZoneInfo) -> list[Any]:
    extra = event.data.get("assignee") or event.data.get("verdict")
    what = f"{words.ACTION[event.action]}{f': {extra}' if extra else ''}".replace("_", " ")
    return [
        html.Div([html.Strong(event.actor), f" {what}"]),
        html.Div(event.detail, className="history-detail") if event.detail else None,
        html.Time(formats.local_seconds(event.at, zone), dateTime=rfc3339(event.at), className="note"),
    ]
