"""The part of `/stations` that sends the common commands: choose, confirm, see the answer."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from zoneinfo import ZoneInfo

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import commands, formats, queries
from dashboard.auth import Action, Principal
from dashboard.common_commands import COMMON, Given, command, question, told
from dashboard.components import desk
from dashboard.components.shell import icon
from dashboard.context import AppContext
from dashboard.pages.wiring import permitted
from laddvakt.domain.commands import CommandStatus, SentCommand
from laddvakt.domain.errors import LaddvaktError
from laddvakt.domain.stations import Station

_BUTTONS = {f"command-{key}": key for key in COMMON}
_GOOD, _BAD = "message message-good", "message message-bad"


def panel(who: Principal | None) -> Component:
    """Hidden from those who may not send commands."""
    buttons = [html.Button(row.label, id=f"command-{key}", className="act") for key, row in COMMON.items()]
    return html.Div(
        [
            html.H2("Commands"),
            desk.choice("command-where", [("0", "Station")], "0", label="Where"),
            html.Div(buttons, className="acts"),
            html.Div(
                [
                    html.P(id="command-question"),
                    dcc.Input(
                        id="command-token",
                        type="text",
                        maxLength=36,
                        autoComplete="off",
                        placeholder="Token",
                        className="command-token",
                    ),
                    html.Div(
                        [
                            html.Button([icon("check"), "Send"], id="command-send", className="act primary"),
                            html.Button("Cancel", id="command-cancel", className="act"),
                        ],
                        className="acts",
                    ),
                ],
                id="command-confirm",
                className="card confirm",
                hidden=True,
            ),
            html.Div(id="command-message", className="message", role="status"),
            html.Div(id="command-history"),
            dcc.Store(id="command-asked"),
            dcc.Store(id="command-done"),
        ],
        id="station-commands",
        hidden=who is None or not who.may(Action.COMMAND_STATIONS),
    )


def register(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("command-where", "data"),
        Output("command-where", "value"),
        Input("stations-chosen", "data"),
    )
    async def places(station_id: str | None) -> Any:
        permitted(Action.COMMAND_STATIONS)
        station = await asyncio.to_thread(queries.station, context.records, station_id) if station_id else None
        numbers = [c.connector_id for c in station.connectors if c.connector_id] if station is not None else []
        places = [("0", "Station"), *((str(number), str(number)) for number in numbers)]
        return [{"value": value, "label": label} for value, label in places], str(numbers[0] if numbers else 0)

    @app.callback(
        Output("command-asked", "data"),
        Output("command-confirm", "hidden"),
        Output("command-question", "children"),
        Output("command-token", "style"),
        Output("command-token", "value"),
        Output("command-message", "children"),
        Output("command-message", "className"),
        *[Input(name, "n_clicks") for name in _BUTTONS],
        Input("command-cancel", "n_clicks"),
        Input("command-done", "data"),
        Input("stations-chosen", "data"),
        State("command-where", "value"),
        prevent_initial_call=True,
    )
    async def choose(*values: Any) -> Any:
        """Asks for confirmation; everything that is no button of a command ends the asking."""
        permitted(Action.COMMAND_STATIONS)
        station_id, where = values[-2:]
        key = _BUTTONS.get(str(ctx.triggered_id))
        if key is None or not station_id:
            said, look = values[-3] if ctx.triggered_id == "command-done" else ("", "message")
            return None, True, "", no_update, "", said, look
        row = COMMON[key]
        try:
            asked = question(row, station_id, int(where))
        except LaddvaktError as error:
            return None, True, "", no_update, "", str(error), _BAD
        style = {} if row.needs_token else {"display": "none"}
        return {"key": key, "connector_id": int(where)}, False, asked, style, "", "", "message"

    @app.callback(
        Output("command-done", "data"),
        Input("command-send", "n_clicks"),
        State("stations-chosen", "data"),
        State("command-asked", "data"),
        State("command-token", "value"),
        prevent_initial_call=True,
        running=[(Output("command-send", "disabled"), True, False)],
    )
    async def send(clicks: int | None, station_id: str | None, asked: Any, token: str | None) -> Any:
        who = permitted(Action.COMMAND_STATIONS)
        if not clicks or not station_id or not asked:
            return no_update
        try:
            return await _send(context, who, station_id, asked, (token or "").strip())
        except LaddvaktError as error:
            return [str(error), _BAD]

    @app.callback(
        Output("command-history", "children"),
        Input("stations-chosen", "data"),
        Input("command-done", "data"),
    )
    async def latest(station_id: str | None, _done: Any) -> Any:
        permitted(Action.COMMAND_STATIONS)
        if not station_id:
            return None
        found = await asyncio.to_thread(queries.latest_commands, context.records, station_id)
        return history(found, context.settings.zone)


async def _send(context: AppContext, who: Principal, station_id: str, asked: Any, token: str) -> list[str]:
    """The answer in words, and how it looks."""
    row, connector_id = COMMON[asked["key"]], int(asked["connector_id"])
    station, transaction_id = await asyncio.to_thread(
        queries.station_and_transaction, context.records, station_id, connector_id
    )
    given = Given(connector_id, token, transaction_id, secrets.randbelow(2**31 - 1) + 1)
    action, payload = command(row, station or Station(station_id=station_id), given)
    result = await commands.send(
        context.records,
        context.commands,
        context.clock,
        station_id=station_id,
        action=action,
        payload=payload,
        actor=who.name,
    )
    return [f"{row.label}: {told(result)}", _GOOD if result.status is CommandStatus.ACCEPTED else _BAD]


def history(found: list[SentCommand], zone: ZoneInfo) -> Component | None:
    if not found:
        return None
    return desk.simple_table(
        ("Sent", "Command", "By", "What became of it"),
        [
            [
                formats.local(item.sent_at, zone),
                item.action,
                item.actor,
                "no answer yet" if item.status is None else item.status.replace("_", " "),
            ]
            for item in found
        ],
        label="Latest commands",
    )
