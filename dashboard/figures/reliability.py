"""Reliability month by month."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.figures import style
from laddvakt.kpi.report import METRICS, Figure


def by_month(rows: Sequence[Figure], *, metric: str, goal: float | None) -> go.Figure:
    """A bar per month of the whole fleet; a line where a goal is known."""
    known = [row for row in rows if row.value is not None]
    if not known:
        return style.message("Nothing to show in this period")
    unit = METRICS[metric].unit
    figure = go.Figure()
    figure.add_bar(
        x=[row.period for row in known],
        y=[row.value for row in known],
        name=METRICS[metric].label,
        marker={"color": style.POWER, "line": {"width": 0}},
        hovertemplate=f"%{{y:.2f}} {unit}",
    )
    if goal is not None:
        figure.add_hline(y=goal, line_dash="dot", annotation_text=f"goal {goal:g} {unit}")
    if unit == "%":
        lowest = min(row.value for row in known if row.value is not None)
        figure.update_yaxes(range=[max(0.0, min(lowest, goal or 100.0) - 2), 100.2])
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text=unit)
    style.dressed(figure, height=300, bargap=0.35)
    figure.update_xaxes(showgrid=False)
    return figure
