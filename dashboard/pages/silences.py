"""`/silences`: planned work and quiet times: what holds tickets back, for how long, who said so and why."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import auth, formats, queries
from dashboard.auth import Action
from dashboard.components import desk, shell, words
from dashboard.components.shell import aria
from dashboard.context import AppContext
from dashboard.pages.wiring import permitted
from dashboard.silences import WantedSilence, silence, take_back
from laddvakt.domain.errors import LaddvaktError
from laddvakt.domain.silences import Silence, SilenceKind, SilenceScope
from laddvakt.domain.times import rfc3339

PARTS = ()

KINDS = (("maintenance", "Planned work"), ("quiet", "Quiet time"))
KIND_WORDS = dict(KINDS)
LASTING = {"1": "1 hour", "4": "4 hours", "8": "8 hours", "24": "1 day", "72": "3 days", "168": "1 week"}
FLEET = "fleet|"
PICKER_WORDS = {
    "previousMonth": "Previous month",
    "nextMonth": "Next month",
    "monthLevelControl": "Choose a month",
    "previousYear": "Previous year",
    "nextYear": "Next year",
    "yearLevelControl": "Choose a year",
    "previousDecade": "Previous ten years",
    "nextDecade": "Next ten years",
}
"""Names of the calendar's buttons, which show arrows only."""

REASON_LONGEST = 2_000


def layout(context: AppContext) -> Any:
    zone = context.settings.timezone

    def page(station: str = "", **_query: str) -> Component:
        who = auth.signed_in()
        if who is None or not who.may(Action.VIEW_TICKETS):
            return shell.refusal(who, "/tickets", "operators")
        may = who.may(Action.SILENCE)
        return shell.page(
            desk.head(
                "Planned work and quiet times",
                html.A([shell.icon("back"), "Tickets"], href="/tickets", className="act"),
                note=f"No tickets open there meanwhile. What still stands at the end becomes a ticket then. "
                f"Times in {zone}.",
            ),
            html.Section(
                [html.H2("New"), *_form(station)], className="card", hidden=not may, **aria(label="New silence")
            ),
            html.P(f"Your role is {who.role}: you can look.", className="note", hidden=may),
            html.Section(id="silences-now", className="card", **aria(label="Now and planned")),
            html.Section(id="silences-past", className="card", **aria(label="Past")),
            dcc.Store(id="silence-done"),
            scheme="desk",
            active="/tickets",
            who=who,
        )

    return page


def _form(station: str) -> list[Component]:
    """For `station` to begin with, where the way here led past one."""
    here = [{"value": f"station|{station}", "label": station}] if station else []
    return [
        desk.choice("silence-kind", KINDS, "maintenance", label="Kind"),
        html.P(
            "The minutes of planned work are excluded from availability, those of a quiet time are not. "
            "A quiet time may be about one fault only.",
            className="note",
        ),
        html.Div(
            [
                dmc.Select(
                    id="silence-place",
                    label="Where",
                    placeholder="Site or station",
                    searchable=True,
                    data=here,
                    value=here[0]["value"] if here else None,
                    size="md",
                    className="grow",
                ),
                dmc.Select(
                    id="silence-connector",
                    label="Only connector",
                    placeholder="All",
                    clearable=True,
                    data=[],
                    size="md",
                    className="grow",
                ),
                dmc.Select(
                    id="silence-fault",
                    label="Only fault",
                    placeholder="All",
                    clearable=True,
                    searchable=True,
                    nothingFoundMessage="No such fault had a ticket here yet",
                    data=[],
                    size="md",
                    className="grow",
                ),
                dmc.DateTimePicker(
                    id="silence-from",
                    label="From",
                    placeholder="Now",
                    clearable=True,
                    valueFormat="YYYY-MM-DD HH:mm",
                    ariaLabels=PICKER_WORDS,
                    timePickerProps={"hoursInputLabel": "Hour", "minutesInputLabel": "Minute"},
                    submitButtonProps={"aria-label": "Take this time"},
                    size="md",
                    className="grow",
                ),
                dmc.Select(
                    id="silence-lasting",
                    label="For",
                    data=[{"value": hours, "label": word} for hours, word in LASTING.items()],
                    value="4",
                    size="md",
                    className="grow",
                ),
                dmc.TextInput(
                    id="silence-reason",
                    label="Why",
                    placeholder="What is done there",
                    size="md",
                    className="grow",
                ),
            ],
            className="pair",
        ),
        html.Button([shell.icon("bar"), "Hold tickets back"], id="silence-make", className="act primary"),
        html.Div(id="silence-message", className="message", role="status"),
    ]


def register(app: Dash, context: AppContext) -> None:
    _register_views(app, context)
    _register_doing(app, context)


def _register_views(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("silences-now", "children"), Output("silences-past", "children"), Input("silence-done", "data")
    )
    async def fill(_done: Any) -> Any:
        who = permitted(Action.VIEW_TICKETS)
        now, zone = context.clock(), context.settings.zone
        found, names = await asyncio.to_thread(queries.silences, context.records)
        told = Told(now=now, zone=zone, names=names, ends=who.may(Action.SILENCE))
        coming = sorted((one for one in found if one.end > now), key=lambda one: one.from_)
        past = [one for one in found if one.end <= now]
        return (
            [html.H2("Now and planned"), listed(coming, told, empty="Nothing is held back, and nothing planned.")],
            [html.H2("Past"), listed(past, told, empty="Nothing yet.")],
        )

    @app.callback(Output("silence-place", "data"), Input("silence-done", "data"))
    async def places(_done: Any) -> Any:
        permitted(Action.SILENCE)
        sites, stations = await asyncio.to_thread(queries.places, context.records)
        return [
            {"group": "Fleet", "items": [{"value": FLEET, "label": "Every station"}]},
            {"group": "Sites", "items": [{"value": f"site|{s.site_id}", "label": s.name} for s in sites]},
            {"group": "Stations", "items": [{"value": f"station|{name}", "label": name} for name in stations]},
        ]

    @app.callback(Output("silence-fault", "data"), Input("silence-done", "data"))
    async def faults(_done: Any) -> Any:
        permitted(Action.SILENCE)
        found = await asyncio.to_thread(queries.faults, context.records)
        return [{"value": code, "label": code.replace("_", " ")} for code in found]

    @app.callback(
        Output("silence-connector", "data"), Output("silence-connector", "value"), Input("silence-place", "value")
    )
    async def connectors(place: str | None) -> Any:
        permitted(Action.SILENCE)
        kind, _, name = (place or "").partition("|")
        station = await asyncio.to_thread(queries.station, context.records, name) if kind == "station" else None
        found = [str(connector.connector_id) for connector in station.connectors] if station else []
        return found, None


def _register_doing(app: Dash, context: AppContext) -> None:
    @app.callback(
        Output("silence-done", "data"),
        Output("silence-message", "children"),
        Output("silence-message", "className"),
        Input("silence-make", "n_clicks"),
        Input({"type": "silence-end", "name": ALL}, "n_clicks"),
        State("silence-kind", "value"),
        State("silence-place", "value"),
        State("silence-connector", "value"),
        State("silence-fault", "value"),
        State("silence-from", "value"),
        State("silence-lasting", "value"),
        State("silence-reason", "value"),
        prevent_initial_call=True,
        running=[(Output("silence-make", "disabled"), True, False)],
    )
    async def do(made: int | None, ended: list[int | None], *form: str | None) -> Any:
        who = permitted(Action.SILENCE)
        button = ctx.triggered_id
        if not made and not any(ended):
            return no_update, no_update, no_update
        try:
            if button == "silence-make":
                asked = wanted(form, now=context.clock(), zone=context.settings.zone)
                if asked is None:
                    return no_update, "Say where and why first.", "message message-bad"
                await asyncio.to_thread(silence, context, asked, actor=who.name)
                done = "Tickets are held back."
            else:
                await asyncio.to_thread(take_back, context, button["name"], actor=who.name)
                done = "Ended: what still stands there becomes a ticket now."
        except LaddvaktError as error:
            return no_update, str(error), "message message-bad"
        return rfc3339(context.clock()), done, "message message-good"


def wanted(form: Sequence[str | None], *, now: datetime, zone: ZoneInfo) -> WantedSilence | None:
    """What the form asks for; None while something is missing. Its times are those of `zone`."""
    kind, place, connector, fault, begin, lasting, reason = form
    if not place or not (reason or "").strip():
        return None
    scope, _, target = place.partition("|")
    if connector and scope == SilenceScope.STATION:
        scope, target = SilenceScope.CONNECTOR, f"{target}/{connector}"
    from_ = datetime.fromisoformat(begin).replace(tzinfo=zone).astimezone(UTC) if begin else now
    return WantedSilence(
        kind=SilenceKind(kind or "maintenance"),
        scope=SilenceScope(scope),
        target=target,
        fault=fault or None,
        from_=from_,
        until=from_ + timedelta(hours=float(lasting or "4")),
        reason=(reason or "").strip()[:REASON_LONGEST],
    )


class Told(NamedTuple):
    """What the lists are told with: the time and its zone, what sites are called, whether this person may end."""

    now: datetime
    zone: ZoneInfo
    names: Mapping[str, str]
    ends: bool


def listed(found: Sequence[Silence], told: Told, *, empty: str) -> Component:
    """As cards that fit a phone, each with who said so."""
    if not found:
        return html.P(empty, className="empty")
    return html.Ul([html.Li(one_line(one, told)) for one in found], className="bare silences")


def one_line(one: Silence, told: Told) -> list[Component | None]:
    name = f"{KIND_WORDS[one.kind]} at {words.place(one.scope, one.target, told.names)}"
    fault = f", only {one.fault.replace('_', ' ')}" if one.fault else ""
    when = f"{formats.local(one.from_, told.zone)} to {formats.local(one.end, told.zone)}"
    early = f", ended by {one.ended_by}" if one.ended_by else ""
    return [
        html.Div(
            [
                html.Strong(f"{name}{fault}"),
                html.Div([when, " ", html.Strong("now") if one.in_force(told.now) else None]),
                html.Div(f"{one.reason} ({one.created_by}{early})", className="note history-detail"),
            ],
            className="grow-all",
        ),
        _end(one, name, planned=one.from_ > told.now) if told.ends and one.end > told.now else None,
    ]


def _end(one: Silence, name: str, *, planned: bool) -> Component:
    word = "Call it off" if planned else "End it"
    button = {"type": "silence-end", "name": one.silence_id}
    return html.Button(word, id=button, className="act", **aria(label=f"{word}: {name}"))
