"""What pages need to wire themselves to Dash."""

from __future__ import annotations

from dash import ClientsideFunction, Dash
from dash.dependencies import DashDependency
from dash.exceptions import PreventUpdate

from dashboard.auth import Action, Principal, signed_in


def in_browser(
    app: Dash, function: str, *dependencies: DashDependency, prevent_initial_call: bool = False
) -> None:
    """A callback that runs in the browser: `window.dash_clientside.laddvakt.<function>` of `assets/`."""
    where = ClientsideFunction(namespace="laddvakt", function_name=function)
    app.clientside_callback(  # type: ignore[no-untyped-call]  # Dash leaves it untyped
        where, *dependencies, prevent_initial_call=prevent_initial_call
    )


def permitted(action: Action) -> Principal:
    """Who asks, when they may do this; otherwise the callback ends without a trace. Pages say beforehand what is
    not for somebody's role: who comes here without it did not use the page."""
    who = signed_in()
    if who is None or not who.may(action):
        raise PreventUpdate
    return who
