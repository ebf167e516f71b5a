"""Reliability over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.figures import style
from laddvakt.kpi.report import METRICS, Figure


def over_time(rows: Sequence[Figure], *, metric: str, goal: float | None) -> go.Figure:
    """A point per day or month of the whole fleet, and a line where a goal is known. Points, not bars: the axis of
    shares does not begin at nothing."""
    known = [row for row in rows if row.value is not None]
    if not known:
        return style.message("Nothing to show in this period")
    unit = METRICS[metric].unit
    figure = go.Figure()
    figure.add_scatter(
        x=[row.period for row in known],
        y=[row.value for row in known],
        name=METRICS[metric].label,
        mode="lines+markers",
        line={"color": style.POWER, "width": 2},
        marker={"size": 8},
        hovertemplate=f"%{{y:.2f}} {unit}",
    )
    if goal is not None:
        figure.add_hline(
            y=goal,
            line={"color": style.HELD, "width": 2, "dash": "dash"},
            annotation_text=f"goal {goal:g} {unit}",
            annotation_position="bottom left",
            annotation_font_color=style.HELD,
        )
    style.dressed(figure, height=300)
    if unit == "%":
        lowest = min(row.value for row in known if row.value is not None)
        figure.update_yaxes(range=[max(0.0, min(lowest, goal or 100.0) - 1), 100.2], rangemode="normal")
    figure.update_xaxes(type="date", showgrid=False, tickangle=0, **_ticks([row.period for row in known]))
    figure.update_yaxes(title_text=unit)
    return figure


def _ticks(periods: Sequence[str]) -> dict[str, Any]:
    """Labels that fit a phone: the year once, below."""
    if len(periods[0]) == len("2026-11-21"):
        return {"nticks": 6, "tickformat": "%m-%d\n%Y"}
    return {"tick0": periods[0], "dtick": "M1" if len(periods) <= 6 else "M2", "tickformat": "%b\n%Y"}
