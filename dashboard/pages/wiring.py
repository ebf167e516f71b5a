"""What pages need to wire themselves to Dash."""

from __future__ import annotations

from dash import ClientsideFunction, Dash
from dash.dependencies import DashDependency


def in_browser(app: Dash, function: str, *dependencies: DashDependency) -> None:
    """A callback that runs in the browser: `window.dash_clientside.laddvakt.<function>` of `assets/`."""
    where = ClientsideFunction(namespace="laddvakt", function_name=function)
    app.clientside_callback(where, *dependencies)  # type: ignore[no-untyped-call]  # Dash leaves it untyped
