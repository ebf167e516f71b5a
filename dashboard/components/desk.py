"""Parts that desk pages share: heads, badges, lists of facts, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.shell import FONT, aria, icon
from dashboard.components.words import SEVERITY, Look
from laddvakt.domain.tickets import Severity

_THEME = (
    "themeQuartz.withParams({accentColor: '#1663b5', borderRadius: 6, wrapperBorderRadius: 10, fontSize: 14,"
    " headerFontWeight: 600, rowHeight: 44, headerHeight: 44, foregroundColor: '#14202b',"
    f' fontFamily: "{FONT}"' + "})"
)

Column = dict[str, Any]


def head(title: str, *beside: Any, note: Any = None) -> Component:
    """The head of a page: its name, a note, and what stands beside (filters, buttons)."""
    words = html.Div(
        [html.H1(title), html.P(note, className="note") if note is not None else None], className="head-words"
    )
    return html.Div([words, html.Div(list(beside), className="head-beside")], className="head")


def badge(look: Look) -> Component:
    """A state as word and icon; its colour only repeats them."""
    return html.Span([icon(look.icon), look.word], className=f"badge badge-{look.mantine_color}")


def severity_chip(severity: Severity) -> Component:
    return html.Span(f"{severity} {SEVERITY[severity].word}", className=f"chip sev-{severity}")


def facts(pairs: Iterable[tuple[str, Any]]) -> Component:
    """A list of named values; those without a value are left out."""
    rows = [html.Div([html.Dt(name), html.Dd(value)]) for name, value in pairs if value not in (None, "", [])]
    return html.Dl(rows, className="facts")


def simple_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, label: str, stacked: bool = False
) -> Component:
    """A small table. `stacked`: on a phone each row becomes a card whose lines are named by their column, all but
    the first; otherwise it scrolls sideways."""
    top = html.Thead(html.Tr([html.Th(column, scope="col") for column in columns]))
    body = html.Tbody([html.Tr([_cell(*named) for named in zip(columns, row, strict=True)]) for row in rows])
    table = html.Table([top, body], className="plain", **aria(label=label))
    return html.Div(table, className="table-box stacked" if stacked else "table-box")


def _cell(column: str, value: Any) -> Component:
    name: Any = {"data-column": column}
    return html.Td(value, **name)


def number_column(field: str, title: str, places: int, *, width: int = 120, **more: Any) -> Column:
    """A column of numbers, `places` decimals; its unit belongs in the title."""
    return {
        "field": field,
        "headerName": title,
        "type": "rightAligned",
        "width": width,
        "valueFormatter": {"function": f"laddvaktNumber(params.value, {places})"},
        **more,
    }


def roomy(columns: Sequence[Column]) -> list[Column]:
    """Columns that never get narrower than their width: a phone scrolls the table sideways instead."""
    return [{"minWidth": column.get("width", 70), **column} for column in columns]


def grid(
    name: str, columns: Sequence[Column], *, label: str, empty: str, options: dict[str, Any] | None = None
) -> Component:
    """A sortable table whose rows have an `id`. It fills the height that its page leaves."""
    table: Component = dag.AgGrid(
        id=name,
        columnDefs=roomy(columns),
        rowData=None,
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True, "minWidth": 70},
        columnSize="responsiveSizeToFit",
        dashGridOptions={
            "theme": {"function": _THEME},
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
            "animateRows": False,
            "suppressCellFocus": False,
            "tooltipShowDelay": 300,
            "localeText": {"noRowsToShow": empty},
            "enableBrowserTooltips": True,
            "ensureDomOrder": True,
            **(options or {}),
        },
        style={"height": "100%", "width": "100%"},
    )
    return html.Div(table, className="grid-box", role="region", **aria(label=label))


def choice(name: str, options: Sequence[tuple[str, str]], value: str, *, label: str) -> Component:
    """One of a few, all in sight."""
    control = dmc.SegmentedControl(
        id=name,
        data=[{"value": key, "label": word} for key, word in options],
        value=value,
        className="choice",
        size="md",
    )
    return html.Div(control, role="group", className="choice-box", **aria(label=label))


def link(text: Any, href: str, **more: Any) -> Component:
    return dcc.Link(text, href=href, **more)
