"""`/quarantine`: messages that were set aside, why, and what can be done about them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import auth, formats, quarantine, queries
from dashboard.auth import Action
from dashboard.components import desk, rows, shell, words
from dashboard.components.shell import aria
from dashboard.context import AppContext
from dashboard.pages.wiring import in_browser, permitted
from dashboard.quarantine import Which
from laddvakt.domain.errors import ConflictError, EventLogError, NotFoundError, StoreError
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.domain.times import rfc3339
from laddvakt.stores.ports import QuarantineCount, QuarantineItem

PARTS: tuple[str, ...] = ()

COMMENT_LONGEST = 2_000
STATES = (("open", "Open"), ("reprocessed", "Read again"), ("dismissed", "Dismissed"), ("all", "All"))
_FAILURES = (ConflictError, EventLogError, NotFoundError, StoreError)


def columns() -> list[desk.Column]:
    return [
        {"field": "received", "headerName": "Received", "width": 215, "sort": "desc"},
        {"field": "station", "headerName": "Station", "width": 140},
        {"field": "reason", "headerName": "Reason", "width": 240},
        {"field": "detail", "headerName": "In detail", "width": 420, "tooltipField": "detail"},
        {"field": "state", "headerName": "State", "width": 130},
        {"field": "by", "headerName": "By", "width": 130},
    ]


def layout(context: AppContext) -> Any:
    zone = context.settings.timezone

    def page(item: str = "", station: str = "", **_query: str) -> Component:
        who = auth.signed_in()
        if who is None or not who.may(Action.VIEW_QUARANTINE):
            return shell.refusal(who, "/quarantine", "maintainers and admins")
        return shell.page(
            desk.head(
                "Quarantine",
                note=f"Messages that could not be used, kept whole. Times in {zone}. Choose a row to read one.",
            ),
            html.Div(id="quarantine-counts", className="cards", role="region", **aria(label="Open, by reason")),
            html.Div(
                [
                    desk.choice("quarantine-state", STATES, "open", label="State"),
                    dmc.Select(
                        id="quarantine-reason",
                        placeholder="All reasons",
                        clearable=True,
                        data=[
                            {"value": reason.value, "label": words.REASON[reason]} for reason in QuarantineReason
                        ],
                        size="md",
                        className="reason-select",
                        **aria(label="Reason"),
                    ),
                    dmc.Select(
                        id="quarantine-station",
                        placeholder="All stations",
                        searchable=True,
                        clearable=True,
                        data=[station] if station else [],
                        value=station or None,
                        size="md",
                        className="station-select",
                        **aria(label="Station"),
                    ),
                    html.Button([shell.icon("tool"), "Read these again"], id="quarantine-all", className="act"),
                    html.Span(id="quarantine-note", className="note", role="status"),
                ],
                className="filters",
            ),
            html.Div(id="quarantine-message", className="message", role="status"),
            desk.grid(
                "quarantine-grid",
                columns(),
                label="Messages set aside",
                empty="Nothing here: every message could be used.",
            ),
            dcc.Store(id="quarantine-chosen", data=item or None),
            dcc.Store(id="quarantine-done"),
            dmc.Drawer(
                id="quarantine-drawer",
                title="Message",
                position="right",
                size="min(100vw, 720px)",
                keepMounted=True,
                children=[html.Div(id="quarantine-detail"), actions()],
                closeButtonProps=aria(label="Close"),
            ),
            scheme="desk",
            active="/quarantine",
            who=who,
        )

    return page


def actions() -> Component:
    """What can be done about an open one."""
    return html.Div(
        [
            html.Label("Comment (optional)", htmlFor="quarantine-comment", className="label"),
            dcc.Textarea(id="quarantine-comment", maxLength=COMMENT_LONGEST, rows=2, className="comment"),
            html.Div(
                [
                    html.Button(
                        [shell.icon("tool"), "Read again"], id="quarantine-again", className="act primary"
                    ),
                    html.Button([shell.icon("check"), "Dismiss"], id="quarantine-dismiss", className="act"),
                ],
                className="acts",
            ),
            html.Div(id="quarantine-item-message", className="message", role="status"),
        ],
        id="quarantine-actions",
    )


def register(app: Dash, context: AppContext) -> None:
    _register_list(app, context)
    _register_item(app, context)
    _register_actions(app, context)


def _register_list(app: Dash, context: AppContext) -> None:
    zone = context.settings.zone

    @app.callback(
        Output("quarantine-grid", "rowData"),
        Output("quarantine-note", "children"),
        Output("quarantine-counts", "children"),
        Output("quarantine-station", "data"),
        Output("quarantine-all", "disabled"),
        Input("quarantine-state", "value"),
        Input("quarantine-reason", "value"),
        Input("quarantine-station", "value"),
        Input("quarantine-done", "data"),
    )
    async def fill(state: str, reason: str | None, station: str | None, _done: Any) -> Any:
        permitted(Action.VIEW_QUARANTINE)
        found = await asyncio.to_thread(
            queries.quarantine,
            context.records,
            state=QuarantineState(state) if state in set(QuarantineState) else None,
            reason=QuarantineReason(reason) if reason else None,
            station_id=station or None,
        )
        note = f"The newest {len(found.items)} are shown; narrow the filter for others." if found.more else ""
        any_open = any(item.state is QuarantineState.OPEN for item in found.items)
        stations = sorted({count.station_id for count in found.counts})
        shown = [rows.quarantine_row(item, zone) for item in found.items]
        return shown, note, counts(found.counts, zone), stations, not any_open

    in_browser(
        app,
        "chosenRow",
        Output("quarantine-chosen", "data"),
        Input("quarantine-grid", "selectedRows"),
        prevent_initial_call=True,
    )
    in_browser(
        app,
        "drawerClosed",
        Output("quarantine-grid", "deselectAll"),
        Input("quarantine-drawer", "opened"),
        prevent_initial_call=True,
    )


def _register_item(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("quarantine-drawer", "opened"),
        Output("quarantine-drawer", "title"),
        Output("quarantine-detail", "children"),
        Output("quarantine-actions", "hidden"),
        Input("quarantine-chosen", "data"),
        Input("quarantine-done", "data"),
    )
    async def open_drawer(item_id: str | None, _done: Any) -> Any:
        permitted(Action.VIEW_QUARANTINE)
        if not item_id:
            return no_update, no_update, no_update, no_update
        try:
            item = await asyncio.to_thread(quarantine.get, context.records, item_id)
        except NotFoundError as error:
            return True, "Message", dmc.Alert(str(error), color="yellow"), True
        return True, item.station_id, detail(item, context.settings.zone), item.state is not QuarantineState.OPEN

    @app.callback(
        Output("quarantine-item-message", "children"),
        Output("quarantine-comment", "value"),
        Input("quarantine-chosen", "data"),
        prevent_initial_call=True,
    )
    def forget(_item_id: str | None) -> Any:
        return "", ""


def _register_actions(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("quarantine-done", "data"),
        Output("quarantine-item-message", "children", allow_duplicate=True),
        Output("quarantine-item-message", "className"),
        Input("quarantine-again", "n_clicks"),
        Input("quarantine-dismiss", "n_clicks"),
        State("quarantine-chosen", "data"),
        State("quarantine-comment", "value"),
        prevent_initial_call=True,
        running=[
            (Output("quarantine-again", "disabled"), True, False),
            (Output("quarantine-dismiss", "disabled"), True, False),
        ],
    )
    async def settle(again: int | None, dismissed: int | None, chosen: str | None, comment: str | None) -> Any:
        who = permitted(Action.SETTLE_QUARANTINE)
        if not chosen or not (again or dismissed):
            return no_update, no_update, no_update
        try:
            if ctx.triggered_id == "quarantine-dismiss":
                said = (comment or "").strip()[:COMMENT_LONGEST]
                await asyncio.to_thread(
                    quarantine.dismiss,
                    context.records,
                    context.clock,
                    item_id=chosen,
                    actor=who.name,
                    comment=said,
                )
                return _now(context), "Dismissed.", "message message-good"
            item = await quarantine.reprocess(
                context.records, context.reprocessing, context.clock, item_id=chosen, actor=who.name
            )
        except _FAILURES as error:
            return _now(context), str(error), "message message-bad"
        if item.state is QuarantineState.OPEN:
            return _now(context), f"Still set aside: {item.detail}.", "message message-bad"
        return _now(context), f"Read again: {item.outcome}.", "message message-good"

    @app.callback(
        Output("quarantine-done", "data", allow_duplicate=True),
        Output("quarantine-message", "children"),
        Output("quarantine-message", "className"),
        Input("quarantine-all", "n_clicks"),
        State("quarantine-reason", "value"),
        State("quarantine-station", "value"),
        prevent_initial_call=True,
        running=[(Output("quarantine-all", "disabled"), True, False)],
    )
    async def settle_all(clicks: int | None, reason: str | None, station: str | None) -> Any:
        who = permitted(Action.SETTLE_QUARANTINE)
        if not clicks:
            return no_update, no_update, no_update
        which = Which(reason=QuarantineReason(reason) if reason else None, station_id=station or None)
        try:
            done = await quarantine.reprocess_all(
                context.records, context.reprocessing, context.clock, which=which, actor=who.name
            )
        except _FAILURES as error:
            return _now(context), str(error), "message message-bad"
        more = " There are more: read again once more." if done.more else ""
        text = f"{done.settled} of {done.asked} took effect, {done.still_open} are still set aside.{more}"
        return _now(context), text, f"message message-{'good' if done.settled or not done.asked else 'bad'}"


def _now(context: AppContext) -> str:
    return rfc3339(context.clock())


def counts(found: Sequence[QuarantineCount], zone: ZoneInfo) -> list[Component]:
    """What is open, a card for each reason: how many, at how many stations, when last."""
    waiting = [count for count in found if count.state is QuarantineState.OPEN]
    items: Counter[QuarantineReason] = Counter()
    for count in waiting:
        items[count.reason] += count.items
    if not items:
        return [html.P("Nothing waits.", className="empty")]
    return [
        html.Div(
            [
                html.Div(words.REASON[reason], className="label"),
                html.Div(str(many), className="big"),
                *[
                    html.Div(line, className="note")
                    for line in _where([count for count in waiting if count.reason is reason], zone)
                ],
            ],
            className="card",
        )
        for reason, many in items.most_common()
    ]


def _where(found: Sequence[QuarantineCount], zone: ZoneInfo) -> tuple[str, str]:
    most = max(found, key=lambda count: count.items)
    newest = formats.local(max(count.newest for count in found), zone)
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{most.station_id}{others}", newest


def detail(item: QuarantineItem, zone: ZoneInfo) -> list[Component]:
    """Everything about one message."""
    return [
        html.Div([desk.badge(words.QUARANTINE[item.state])], className="badges"),
        html.P(words.REASON[item.reason], className="lead"),
        html.P(item.detail, className="history-detail"),
        html.Div(
            [html.H2("Message"), dcc.Clipboard(target_id="quarantine-raw", title="Copy", className="copy")],
            className="raw-head",
        ),
        html.Pre(item.raw or "(empty)", id="quarantine-raw", className="raw", tabIndex="0"),
        html.H2("Facts"),
        desk.facts(
            (
                ("Received", formats.local_seconds(item.received_at, zone)),
                ("Station", desk.link(item.station_id, f"/stations?station={item.station_id}")),
                ("Protocol", item.protocol),
                ("Topic", item.topic),
                ("Read again last", formats.local_seconds(item.tried_at, zone) if item.tried_at else ""),
                ("Settled", formats.local_seconds(item.settled_at, zone) if item.settled_at else ""),
                ("By", item.settled_by),
                ("Outcome", item.outcome),
                ("Item", item.item_id),
            )
        ),
    ]
