"""How figures look: one palette and one layout for all, light, without chart junk."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

FONT = "Inter, system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, sans-serif"
TEXT = "#14202b"
MUTED = "#52616f"
LINE = "#e3e8ed"
POWER = "#1663b5"
BATTERY = "#1f8a5f"
ENERGY = "#8a5cd1"
HELD = "#c2540a"


def dressed(figure: go.Figure, **layout: Any) -> go.Figure:
    """`figure` in the common dress; `layout` on top."""
    figure.update_layout(
        font={"family": FONT, "size": 13, "color": TEXT},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hoverlabel={"font": {"family": FONT}},
        hovermode="x unified",
        separators=".\u202f",
        **layout,
    )
    figure.update_xaxes(gridcolor=LINE, linecolor=LINE, automargin=True, zeroline=False)
    figure.update_yaxes(gridcolor=LINE, linecolor=LINE, automargin=True, zeroline=False, rangemode="tozero")
    return figure


def message(text: str) -> go.Figure:
    """An empty figure that says why."""
    figure = dressed(go.Figure())
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(text=text, showarrow=False, font={"size": 15, "color": MUTED})
    return figure
