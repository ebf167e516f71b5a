"""`/reliability`: how much of the time drivers could charge, and how often a plug-in ended in energy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard import auth, formats, queries, reliability
from dashboard.auth import Action
from dashboard.components import desk, shell, words
from dashboard.context import AppContext
from dashboard.figures.reliability import over_time
from dashboard.pages.wiring import permitted
from laddvakt.kpi.fold import Ask
from laddvakt.kpi.report import METRICS, Exclusion, Figure, calendar

PARTS: tuple[str, ...] = ()

PERIODS = {"30": "30 days", "90": "90 days", "365": "12 months"}
GROUPS = (
    ("site", "Site"),
    ("model", "Model"),
    ("station", "Station"),
    ("connector", "Connector"),
    ("cable", "Cable"),
)
CARDS = ("availability", "availability_reported", "session_success", "first_attempt", "time_to_repair")
CHOSEN = (
    ("availability", "Availability"),
    ("nevi", "NEVI"),
    ("uk_reliability", "UK"),
    ("charge_start", "Start"),
    ("charge_end", "End"),
    ("session_success", "Session"),
    ("first_attempt", "First try"),
    ("time_to_repair", "Repair"),
)
GOALS = {"nevi": 97.0, "uk_reliability": 99.0, "availability": 97.0}


def columns(metric: str, group_by: str) -> list[desk.Column]:
    unit = METRICS[metric].unit
    parts = ("Minutes up", "Minutes") if metric in ("availability", "nevi", "uk_reliability") else ("Of", "All")
    return [
        {"field": "key", "headerName": dict(GROUPS).get(group_by, "Key"), "width": 190, "pinned": "left"},
        desk.number_column("value", f"{METRICS[metric].label}, {unit}", 2, width=170, sort="asc"),
        desk.number_column("numerator", parts[0], 0, width=130),
        desk.number_column("denominator", parts[1], 0, width=130),
        desk.number_column("excluded", "Excluded minutes", 0, width=160),
    ]


def layout(context: AppContext) -> Any:
    def page(**_query: str) -> Component:
        who = auth.signed_in()
        if who is None or not who.may(Action.VIEW_RELIABILITY):
            return shell.refusal(who, "/reliability", "operators")
        return shell.page(
            desk.head("Reliability", note=html.Span(id="reliability-note", role="status")),
            html.Div(
                [
                    desk.choice("reliability-period", tuple(PERIODS.items()), "30", label="Period"),
                    desk.choice("reliability-metric", CHOSEN, "availability", label="Figure"),
                    desk.choice("reliability-group", GROUPS, "site", label="By"),
                ],
                className="filters",
            ),
            html.Div(id="reliability-totals", className="cards"),
            html.P(id="reliability-formula", className="note"),
            html.Div(id="reliability-chart", className="card chart-card"),
            desk.grid(
                "reliability-grid",
                columns("availability", "site"),
                label="Reliability",
                empty="Nothing was observed in this period.",
            ),
            html.Section(id="reliability-exclusions"),
            scheme="desk",
            active="/reliability",
            who=who,
        )

    return page


def register(app: Dash, context: AppContext) -> None:
    zone = context.settings.zone

    @app.callback(
        Output("reliability-grid", "rowData"),
        Output("reliability-grid", "columnDefs"),
        Output("reliability-totals", "children"),
        Output("reliability-formula", "children"),
        Output("reliability-chart", "children"),
        Output("reliability-exclusions", "children"),
        Output("reliability-note", "children"),
        Input("reliability-period", "value"),
        Input("reliability-metric", "value"),
        Input("reliability-group", "value"),
    )
    async def fill(period: str, metric: str, group_by: str) -> Any:
        permitted(Action.VIEW_RELIABILITY)
        metric = metric if metric in METRICS else "availability"
        group_by = group_by if group_by in dict(GROUPS) else "site"
        to = context.clock().astimezone(UTC)
        span = (to - timedelta(days=int(period) if period in PERIODS else 30), to)

        interval = "day" if period == "30" else "month"
        asks = [
            Ask(metric, group_by, [("", span)]),
            Ask(metric, "fleet", calendar(span, zone, interval)),
            *(Ask(name, "fleet", [("", span)]) for name in CARDS),
        ]
        (rows, lately, *cards), excluded = await asyncio.to_thread(reliability.report, context.records, asks, span)
        names = await asyncio.to_thread(queries.site_names, context.records)
        known = METRICS[metric]
        return (
            table(rows, names if group_by == "site" else {}),
            desk.roomy(columns(metric, group_by)),
            [card(name, found) for name, found in zip(CARDS, cards, strict=True)],
            f"{known.label}: {known.formula}. Source: {known.source}.",
            chart(lately, metric, interval),
            excluded_list(excluded, names, zone),
            f"{PERIODS.get(period, '30 days')} until {formats.local(to, zone)}, {zone.key}",
        )


def table(rows: Sequence[Figure], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Sites by their names."""
    return [
        {
            "id": row.key or "(none)",
            "key": names.get(row.key, row.key) or "(none)",
            "value": row.value,
            "numerator": row.numerator,
            "denominator": row.denominator,
            "excluded": row.excluded_minutes,
        }
        for row in rows
    ]


def card(metric: str, found: Sequence[Figure]) -> Component:
    """A figure that everybody asks for, of the whole fleet."""
    value = found[0].value if found else None
    label, unit = METRICS[metric].label, METRICS[metric].unit
    shown = formats.NONE if value is None else f"{value:.2f}{formats.UNIT}{unit}"
    if metric == "time_to_repair" and value is not None:
        shown = f"{value / 60:.1f}{formats.UNIT}h"
    return html.Div(
        [html.Div(label, className="note"), html.Div(shown, className="big")],
        className="card",
    )


def chart(rows: Sequence[Figure], metric: str, interval: str) -> Component:
    label = f"{METRICS[metric].label} of the whole fleet by {interval}"
    graph = dcc.Graph(
        figure=over_time(rows, metric=metric, goal=GOALS.get(metric)),
        config={"displayModeBar": False, "responsive": True},
    )
    return html.Figure(
        [
            html.Figcaption(label, className="note"),
            html.Div(graph, role="img", **shell.aria(label=told(label, rows))),
        ]
    )


def told(label: str, rows: Sequence[Figure]) -> str:
    """A chart in one sentence."""
    known = [(row.value, row.period) for row in rows if row.value is not None]
    if not known:
        return f"{label}: nothing to show"
    (low, when), (last, _) = min(known), known[-1]
    return f"{label}: lowest {low:.2f} in {when}, last {last:.2f}"


def excluded_list(excluded: Sequence[Exclusion], names: Mapping[str, str], zone: ZoneInfo) -> list[Component]:
    """Who took what out, and why: without it nobody need believe the figure."""
    if not excluded:
        return [html.P("No planned work was written down in this period: nothing is excluded.", className="note")]
    rows = [
        (
            words.place(e.scope, e.target, names),
            formats.local(e.from_, zone),
            formats.local(e.until, zone),
            e.reason,
            e.by,
        )
        for e in excluded[:200]
    ]
    title = "Excluded from availability"
    return [
        html.H2(title),
        desk.simple_table(("Where", "From", "Until", "Why", "Who"), rows, label=title, stacked=True),
    ]
