"""What people do with the ticket that is open on `/tickets`: take it, give it, say what it was, settle it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import queries
from dashboard.auth import Action, Principal
from dashboard.components import shell, ticket
from dashboard.context import AppContext
from dashboard.pages.wiring import permitted
from dashboard.tickets import VERDICTS, act
from laddvakt.domain.errors import ConflictError, NotFoundError, StoreError
from laddvakt.domain.tickets import UNSETTLED, Asset, Ticket, TicketAction, TicketState
from laddvakt.domain.times import rfc3339

COMMENT_LONGEST = 2_000

BUTTONS = {
    "ticket-take": TicketAction.ASSIGNED,
    "ticket-acknowledge": TicketAction.ACKNOWLEDGED,
    "ticket-resolve": TicketAction.RESOLVED,
    "ticket-reopen": TicketAction.REOPENED,
    "ticket-close": TicketAction.CLOSED,
    "ticket-comment-send": TicketAction.COMMENTED,
    "ticket-assign": TicketAction.ASSIGNED,
    "ticket-judge": TicketAction.VERDICT,
}

DONE = {
    TicketAction.ACKNOWLEDGED: "Acknowledged.",
    TicketAction.ASSIGNED: "Assigned.",
    TicketAction.RESOLVED: "Resolved.",
    TicketAction.COMMENTED: "Comment saved.",
    TicketAction.REOPENED: "Reopened.",
    TicketAction.CLOSED: "Closed.",
    TicketAction.VERDICT: "Verdict saved.",
}

VERDICT_WORDS = {
    "confirmed": "Confirmed: it was this",
    "wrong_asset": "Wrong asset: it was something else",
    "vehicle": "The vehicle's fault",
    "no_fault_found": "No fault found",
}


def actions(who: Principal | None) -> Component:
    """For those who may; the others are told who does it. The parts are there for everybody, because callbacks
    name them."""
    may = who is not None and who.may(Action.WORK_ON_TICKETS)
    role = who.role if who else "nobody"
    note = f"Your role is {role}: you can look. Maintainers and managers acknowledge and resolve."
    return html.Div(
        [html.P(note, className="note", hidden=may), html.Div(_controls(), hidden=not may)],
        id="ticket-actions",
        className="card",
        hidden=True,  # until it is known what this ticket allows
    )


def _controls() -> list[Component]:
    return [
        html.Label("Comment (optional)", htmlFor="ticket-comment", className="label"),
        dcc.Textarea(id="ticket-comment", maxLength=COMMENT_LONGEST, rows=2, className="comment"),
        html.Div(
            [
                html.Button([shell.icon("tool"), "Take it"], id="ticket-take", className="act primary"),
                html.Button([shell.icon("eye"), "Acknowledge"], id="ticket-acknowledge", className="act"),
                html.Button([shell.icon("check"), "Resolve"], id="ticket-resolve", className="act good"),
                html.Button([shell.icon("alert"), "Reopen"], id="ticket-reopen", className="act", hidden=True),
                html.Button([shell.icon("check"), "Close"], id="ticket-close", className="act", hidden=True),
                html.Button("Comment only", id="ticket-comment-send", className="act"),
            ],
            className="acts",
        ),
        html.Div(id="ticket-message", className="message", role="status"),
        html.Details(
            [
                html.Summary("Give it to somebody, say what it was, plan work"),
                _pair("ticket-assignee", "Give it to", "ticket-assign", "Assign"),
                _pair("ticket-verdict", "What was it?", "ticket-judge", "Save verdict", VERDICT_WORDS),
                html.Div(
                    _choice("ticket-right", "Which asset was at fault?", {}), id="ticket-right-box", hidden=True
                ),
                html.A("Hold tickets of this station back", id="ticket-plan", href="/silences"),
            ],
            className="more-acts",
        ),
    ]


def _choice(name: str, label: str, options: dict[str, str]) -> Component:
    data = [{"value": value, "label": word} for value, word in options.items()]
    select: Component = dmc.Select(id=name, label=label, data=data, clearable=True, size="md", className="grow")
    return select


def _pair(name: str, label: str, button: str, words: str, options: dict[str, str] | None = None) -> Component:
    parts = [_choice(name, label, options or {}), html.Button(words, id=button, className="act")]
    return html.Div(parts, className="pair")


def register(app: Dash, context: AppContext) -> None:
    _register_state(app, context)
    _register_doing(app, context)


def _register_state(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("ticket-actions", "hidden"),
        Output("ticket-take", "hidden"),
        Output("ticket-acknowledge", "disabled"),
        Output("ticket-resolve", "hidden"),
        Output("ticket-reopen", "hidden"),
        Output("ticket-close", "hidden"),
        Output("ticket-assign", "disabled"),
        Output("ticket-assignee", "data"),
        Output("ticket-right", "data"),
        Output("ticket-plan", "href"),
        Input("ticket-chosen", "data"),
        Input("tickets-news", "data"),
        Input("ticket-done", "data"),
    )
    async def offer(chosen: str | None, _news: Any, _done: Any) -> Any:
        who = permitted(Action.VIEW_TICKETS)
        found = (
            await asyncio.to_thread(queries.ticket_detail, context.records, chosen, now=context.clock())
            if chosen
            else None
        )
        if found is None:
            return True, *[True] * 6, [], [], "/silences"
        may = who.may(Action.WORK_ON_TICKETS)
        people = await asyncio.to_thread(queries.hands, context.records) if may else []
        state = found.ticket.state
        settled = state not in UNSETTLED
        return (
            False,
            settled or found.ticket.assignee == who.name,
            state is not TicketState.OPEN,
            settled,
            not settled,
            state not in (TicketState.RESOLVED, TicketState.VERIFIED),
            settled,
            people,
            [{"value": f"{a.kind}|{a.id}", "label": ticket.asset_name(a)} for a in other_assets(found)],
            f"/silences?station={quote(found.ticket.station_id)}",
        )

    @app.callback(Output("ticket-right-box", "hidden"), Input("ticket-verdict", "value"))
    async def ask_for_the_right_one(verdict: str | None) -> bool:
        return verdict != "wrong_asset"


def other_assets(found: queries.TicketDetail) -> list[Asset]:
    """What may have been at fault instead: the suspects, then all that stands there."""
    named = [suspect.asset for suspect in found.ticket.suspects if suspect.asset.kind != "vehicle"]
    here = [Asset(kind="station", id=found.ticket.station_id)]
    for connector in found.station.connectors if found.station else ():
        here.append(Asset(kind="connector", id=f"{found.ticket.station_id}/{connector.connector_id}"))
        if connector.cable_id:
            here.append(Asset(kind="cable", id=connector.cable_id))
    if found.site is not None:
        here.append(Asset(kind="site", id=found.site.site_id))
    return _once([*named, *here], but=found.ticket.asset)


def _once(assets: Iterable[Asset], *, but: Asset) -> list[Asset]:
    return [asset for asset in dict.fromkeys(assets) if asset != but]


def _register_doing(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("ticket-done", "data"),
        Output("ticket-message", "children"),
        Output("ticket-message", "className"),
        Output("ticket-comment", "value"),
        *[Input(name, "n_clicks") for name in BUTTONS],
        State("ticket-chosen", "data"),
        State("ticket-comment", "value"),
        State("ticket-assignee", "value"),
        State("ticket-verdict", "value"),
        State("ticket-right", "value"),
        prevent_initial_call=True,
        running=[(Output("ticket-resolve", "disabled"), True, False)],
    )
    async def do(*values: Any) -> Any:
        who = permitted(Action.WORK_ON_TICKETS)
        clicks, (chosen, comment, assignee, verdict, right) = values[: len(BUTTONS)], values[len(BUTTONS) :]
        button = str(ctx.triggered_id)
        action = BUTTONS.get(button)
        if action is None or not any(clicks) or not chosen:
            return no_update, no_update, no_update, no_update
        comment = (comment or "").strip()[:COMMENT_LONGEST]
        data, missing = _data(button, who.name, assignee, verdict, right)
        if action is TicketAction.COMMENTED and not comment:
            missing = "Write a comment first."
        if missing:
            return no_update, missing, "message message-bad", no_update
        try:
            done = await act(context, ticket_id=chosen, action=action, actor=who.name, detail=comment, data=data)
        except (ConflictError, NotFoundError, StoreError) as error:
            return rfc3339(context.clock()), str(error), "message message-bad", no_update
        return f"{done.ticket_id} {rfc3339(context.clock())}", said(done, action), "message message-good", ""


def said(done: Ticket, action: TicketAction) -> str:
    return f"It is {done.assignee}'s now." if action is TicketAction.ASSIGNED else DONE[action]


def _data(
    button: str, me: str, assignee: str | None, verdict: str | None, right: str | None
) -> tuple[dict[str, Any], str]:
    """What the action carries; or what is still to be chosen, in words."""
    if button == "ticket-take":
        return {"assignee": me}, ""
    if button == "ticket-assign":
        return {"assignee": assignee}, "" if assignee else "Choose somebody first."
    if button != "ticket-judge":
        return {}, ""
    if verdict not in VERDICTS:
        return {}, "Choose a verdict first."
    if verdict != "wrong_asset" or not right:
        return {"verdict": verdict}, ""
    kind, _, name = right.partition("|")
    return {"verdict": verdict, "right_asset": {"kind": kind, "id": name}}, ""
