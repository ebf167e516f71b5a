"""The evidence of a ticket over time: what was measured, its threshold, what is normal."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import plotly.graph_objects as go

from dashboard.figures import style
from laddvakt.domain.tickets import Chart

COLOURS = (style.POWER, style.ENERGY, style.BATTERY, style.MUTED)
"""Of the series in turn; the first one is the asset's own."""

_TIMES = (
    {"dtickrange": [None, 86_399_999], "value": "%H:%M\n%m-%d"},
    {"dtickrange": [86_400_000, None], "value": "%Y-%m-%d"},
)
"""How times are written, by the milliseconds from one to the next."""

MARKED = 40
"""Up to so many points each is marked: a line between a few tells of values that nobody measured."""


def evidence_chart(chart: Chart, *, zone: ZoneInfo) -> go.Figure:
    """One line per series over one local time axis; the threshold dashed and what is normal dotted, both named."""
    shown = [series for series in chart.series if series.points]
    if not shown:
        return style.message("No readings were kept with this ticket")
    figure = go.Figure()
    for number, series in enumerate(shown):
        marked = len(series.points) <= MARKED
        figure.add_scatter(
            x=[at.astimezone(zone).replace(tzinfo=None) for at, _ in series.points],
            y=[value for _, value in series.points],
            name=series.name,
            mode="lines+markers" if marked else "lines",
            line={"color": COLOURS[number % len(COLOURS)], "width": 2, "dash": "solid" if number == 0 else "dot"},
            hovertemplate=f"%{{y:.4g}} {chart.unit}",
        )
    _level(figure, chart.threshold, "threshold", style.HELD, "dash", "top left")
    _level(figure, chart.normal, "normal", style.MUTED, "dot", "bottom left")
    figure.update_xaxes(title_text=zone.key, nticks=6, tickangle=0, tickformatstops=_TIMES)
    return style.dressed(figure, height=300, showlegend=len(shown) > 1)


def _level(figure: go.Figure, value: float | None, name: str, colour: str, dash: str, where: str) -> None:
    if value is None:
        return
    figure.add_hline(
        y=value,
        line={"color": colour, "width": 2, "dash": dash},
        annotation_text=f"{name} {value:.4g}",
        annotation_position=where,
        annotation_font_color=colour,
    )
