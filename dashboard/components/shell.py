"""The frame of a page: skip link, navigation, who is signed in, the line for news about the connection."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboard.auth import Action, Principal

LIVE = "live"
"""Id of the store that holds what the server pushes."""

NAVIGATION: tuple[tuple[str, str, Action], ...] = (
    ("/", "Wall", Action.USE_PAGES),
    ("/sessions", "Sessions", Action.VIEW_SESSIONS),
    ("/tickets", "Tickets", Action.VIEW_TICKETS),
    ("/stations", "Stations", Action.VIEW_STATIONS),
    ("/revenue", "Revenue", Action.VIEW_REVENUE),
    ("/reliability", "Reliability", Action.VIEW_RELIABILITY),
    ("/quarantine", "Quarantine", Action.VIEW_QUARANTINE),
)

FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"


def aria(**words: str) -> dict[str, Any]:
    """ARIA attributes for a component: `**aria(label="Totals")`."""
    return {f"aria-{name}": value for name, value in words.items()}


def icon(name: str, *, label: str = "") -> Component:
    """A symbol of icons.svg in the colour of its text. Without a label it is decoration."""
    if label:
        return html.Span(className=f"icon icon-{name}", role="img", **aria(label=label))
    return html.Span(className=f"icon icon-{name}", **aria(hidden="true"))


def page(*children: Any, scheme: str, active: str, who: Principal | None, bare: bool = False) -> Component:
    """A whole page in the dark wall theme or the light desk theme. `bare` leaves out navigation (kiosk)."""
    body = [
        html.A("Skip to content", href="#content", className="skip-link"),
        None if bare else header(active, who),
        html.Main(list(children), id="content", className=f"page page-{scheme}", tabIndex="-1"),
    ]
    frame: Component = dmc.MantineProvider(
        html.Div([part for part in body if part is not None], className=f"frame frame-{scheme}"),
        forceColorScheme="dark" if scheme == "wall" else "light",
        theme={"fontFamily": FONT, "primaryColor": "blue", "defaultRadius": "md"},
    )
    return frame


def header(active: str, who: Principal | None) -> Component:
    links = [
        html.A(word, href=path, className="nav-link", **(aria(current="page") if path == active else {}))
        for path, word, action in NAVIGATION
        if who is not None and who.may(action)
    ]
    return html.Header(
        [
            html.A([icon("bolt"), "Laddvakt"], href="/", className="brand", **aria(label="Laddvakt, to the wall")),
            html.Nav(links, className="nav", **aria(label="Pages")),
            html.Div(signed_in_as(who), className="who"),
        ],
        className="top",
    )


def signed_in_as(who: Principal | None) -> list[Component]:
    if who is None:
        return [html.A("Sign in", href="/login", className="nav-link")]
    return [
        html.Span([who.name, html.Span(who.role, className="role")], className="who-name"),
        html.Form(
            html.Button("Sign out", type="submit", className="nav-link nav-button"),
            method="post",
            action="/logout",
        ),
    ]


def refusal(who: Principal | None, active: str, needed: str) -> Component:
    """A page that this person may not see: says so, and who may."""
    return page(
        dmc.Alert(f"This page is for {needed}.", title="Not for your role", color="yellow"),
        scheme="desk",
        active=active,
        who=who,
    )


def connection_banners() -> Component:
    """Filled by `assets/live.js`: it alone can tell that the server has gone."""
    return html.Div(
        [
            html.Div(id="banner-lost", className="banner banner-lost", role="alert", hidden=True),
            html.Div(id="banner-stale", className="banner banner-stale", role="status", hidden=True),
            html.Div(id="announcer", className="visually-hidden", role="status", **aria(live="polite")),
        ],
        id="banners",
    )


def live_store() -> Component:
    return dcc.Store(id=LIVE, storage_type="memory")
