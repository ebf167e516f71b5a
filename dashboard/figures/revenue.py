"""Revenue as bars: what can be invoiced, and apart from it what is held."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.figures import style
from laddvakt.stores.ports import RevenueRow

BARS = 40
"""More bars than this cannot be told apart; the table has them all."""


def revenue_bars(rows: Sequence[RevenueRow], *, currency: str, by_day: bool) -> go.Figure:
    """Amounts including VAT of the rows in `currency`, in the given order; days run from left to right."""
    mine = [row for row in rows if row.currency == currency][:BARS]
    if not mine:
        return style.message("No ended sessions in this period")
    shown = mine[::-1] if by_day else mine
    keys = [row.key or "(none)" for row in shown]
    figure = go.Figure()
    figure.add_bar(
        x=keys,
        y=[float(row.incl_vat) for row in shown],
        name=f"Revenue incl. VAT, {currency}",
        marker={"color": style.POWER, "line": {"width": 0}},
        hovertemplate=f"%{{y:,.2f}} {currency}",
    )
    if any(row.held_incl_vat for row in shown):
        figure.add_bar(
            x=keys,
            y=[float(row.held_incl_vat) for row in shown],
            name=f"Held, incl. VAT, {currency}",
            marker={"color": style.HELD, "pattern": {"shape": "/"}},
            hovertemplate=f"%{{y:,.2f}} {currency}",
        )
    figure.update_xaxes(type="category", tickangle=-45 if len(shown) > 8 else 0)
    figure.update_yaxes(title_text=currency, separatethousands=True)
    style.dressed(figure, barmode="stack", height=320, bargap=0.25, legend_traceorder="normal")
    figure.update_xaxes(showgrid=False)
    return figure
