"""A session over time: power, state of charge, energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.figures import style
from laddvakt.stores.ports import Sample


class Curve(NamedTuple):
    """One row of the figure: a telemetry field, how it is named and scaled, and its colour."""

    field: str
    title: str
    unit: str
    scale: float
    colour: str


CURVES = (
    Curve("power_w", "Power", "kW", 0.001, style.POWER),
    Curve("soc_pct", "State of charge", "%", 1.0, style.BATTERY),
    Curve("energy_wh", "Energy", "kWh", 0.001, style.ENERGY),
)


def session_curves(curves: Mapping[str, Sequence[Sample]], *, zone: ZoneInfo) -> go.Figure:
    """One small chart per curve that has samples, over one local time axis. Energy counts from its first sample:
    registers run for the life of the meter."""
    shown = [curve for curve in CURVES if curves.get(curve.field)]
    if not shown:
        return style.message("No readings kept for this session")
    figure = make_subplots(rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.07)
    for row, curve in enumerate(shown, 1):
        samples = curves[curve.field]
        base = samples[0].value if curve.field == "energy_wh" else 0.0
        figure.add_trace(
            go.Scatter(
                x=[sample.at.astimezone(zone).replace(tzinfo=None) for sample in samples],
                y=[(sample.value - base) * curve.scale for sample in samples],
                name=f"{curve.title}, {curve.unit}",
                mode="lines" if len(samples) > 1 else "markers",
                line={"color": curve.colour, "width": 2},
                hovertemplate=f"%{{y:.1f}} {curve.unit}",
            ),
            row=row,
            col=1,
        )
        figure.update_yaxes(title_text=curve.unit, row=row, col=1)
    figure.update_xaxes(title_text=zone.key, row=len(shown), col=1)
    return style.dressed(figure, height=110 + 150 * len(shown))
