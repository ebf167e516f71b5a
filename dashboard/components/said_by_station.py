"""What a station says of itself beside its state: settings, and security events. Folded, for who looks for it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from dash import html
from dash.development.base_component import Component

from dashboard import formats, queries
from dashboard.components import desk
from laddvakt.stores.ports import Page, Variable


def folded(said: queries.SaidByStation, zone: ZoneInfo) -> list[Component]:
    """Two tables under their headings, closed at first."""
    return [
        html.Details([html.Summary(f"Security events ({_count(said.events)})"), _events(said, zone)]),
        html.Details([html.Summary(f"Settings ({_count(said.variables)})"), _settings(said)]),
    ]


def _count(page: Page[Any]) -> str:
    return f"{len(page.items)}, and more over the API" if page.next else str(len(page.items))


def _events(said: queries.SaidByStation, zone: ZoneInfo) -> Component:
    if not said.events.items:
        return html.P("None.", className="note")
    rows = [[formats.local_seconds(item.at, zone), item.event, item.info or ""] for item in said.events.items]
    return desk.simple_table(("When", "Event", "Info"), rows, label="Security events")


def _settings(said: queries.SaidByStation) -> Component:
    if not said.variables.items:
        return html.P("None told yet. GetBaseReport (1.6: GetConfiguration) asks for them.", className="note")
    rows = [[name_of(item), item.value if item.value is not None else "–"] for item in said.variables.items]
    return desk.simple_table(("Setting", "Value"), rows, label="Settings")


def name_of(variable: Variable) -> str:
    """`EVSE 2 Power (W), MaxSet`, as short as it may be."""
    where = " ".join(
        part
        for part in (
            variable.component,
            variable.component_instance,
            str(variable.connector_id) if variable.connector_id else None,
        )
        if part
    )
    instance = f"[{variable.variable_instance}]" if variable.variable_instance else ""
    unit = f" ({variable.unit})" if variable.unit else ""
    attribute = "" if variable.attribute == "Actual" else f", {variable.attribute}"
    return f"{where} {variable.variable}{instance}{unit}{attribute}".strip()
