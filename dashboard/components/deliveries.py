"""Who was told of a ticket, how, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from dash import html
from dash.development.base_component import Component

from dashboard import formats
from dashboard.components import desk
from laddvakt.stores.ports import Delivery

SHOWN = 10


def told(deliveries: Sequence[Delivery], zone: ZoneInfo) -> Component | None:
    """The newest first; nothing where nobody was to be told."""
    if not deliveries:
        return None
    rows = [
        [formats.local_seconds(one.at, zone), one.contact or one.route_id, one.way, one.event, _outcome(one)]
        for one in deliveries[: -SHOWN - 1 : -1]
    ]
    table = desk.simple_table(("When", "Who", "Way", "What", "Outcome"), rows, label="Told", stacked=True)
    return html.Div([html.H3("Told"), table])


def _outcome(item: Delivery) -> str:
    outcome = "delivered" if item.ok else f"failed: {item.detail}"
    tries = f", {item.tries} tries" if item.tries > 1 else ""
    together = f", with {item.tickets - 1} other tickets" if item.tickets > 1 else ""
    return f"{outcome}{tries}{together}"
