"""The dashboard as one ASGI application: the API's FastAPI app with the Dash pages mounted on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable
from pathlib import Path
from typing import Any, NamedTuple, cast

import dash
from dash import Dash, State, ctx, html, set_props
from dash.exceptions import PreventUpdate
from fastapi import FastAPI

from dashboard.api import create_api
from dashboard.components import shell
from dashboard.context import AppContext
from dashboard.live import PUSH_EVERY_S, LiveState
from dashboard.pages import quarantine, reliability, revenue, sessions, silences, stations, tickets, wall

ASSETS = Path(__file__).parent / "assets"

LEASE_S = 60.0
"""How often a tab is asked whether it still is there and awake; one that does not answer is no viewer."""

LEASE_ANSWER_S = 20.0


class PageSpec(NamedTuple):
    """One page: where, its title, which parts of the live state its tabs get, its layout and its wiring."""

    path: str
    title: str
    parts: tuple[str, ...]
    layout: Callable[[AppContext], Any]
    register: Callable[[Dash, AppContext], None]


PAGES = (
    PageSpec("/", "Wall", wall.PARTS, wall.layout, wall.register),
    PageSpec("/wall", "Wall", wall.PARTS, wall.layout, wall.register),
    PageSpec("/sessions", "Sessions", sessions.PARTS, sessions.layout, sessions.register),
    PageSpec("/tickets", "Tickets", tickets.PARTS, tickets.layout, tickets.register),
    PageSpec("/silences", "Planned work", silences.PARTS, silences.layout, silences.register),
    PageSpec("/stations", "Stations", stations.PARTS, stations.layout, stations.register),
    PageSpec("/revenue", "Revenue", revenue.PARTS, revenue.layout, revenue.register),
    PageSpec("/reliability", "Reliability", reliability.PARTS, reliability.layout, reliability.register),
    PageSpec("/quarantine", "Quarantine", quarantine.PARTS, quarantine.layout, quarantine.register),
)


def create_app(context: AppContext) -> FastAPI:
    """API and pages over one set of stores. The live state starts and stops with the application."""
    api = create_api(context)
    live = LiveState(context)
    app = Dash(
        "laddvakt",
        server=cast("Any", api),  # Dash takes a FastAPI app, and says so only in its documentation
        backend="fastapi",
        use_pages=True,
        pages_folder="",
        assets_folder=str(ASSETS),
        assets_ignore="port-worker",
        title="Laddvakt",
        update_title="",
        suppress_callback_exceptions=True,
        websocket_inactivity_timeout=0,  # a wall has no keyboard; silence is not absence
        websocket_heartbeat_interval=15_000,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        add_log_handler=False,
    )
    app.layout = html.Div(
        [
            shell.connection_banners(),
            shell.live_store(),
            dash.page_container,
        ]
    )
    dash.page_registry.clear()  # it is the process's; an earlier application in it is over
    for page in PAGES:
        dash.register_page(  # type: ignore[no-untyped-call]  # Dash leaves it untyped
            f"laddvakt.{page.path.strip('/') or 'start'}",
            path=page.path,
            name=page.title,
            title=f"{page.title} · Laddvakt",
            layout=page.layout(context),
        )
        page.register(app, context)
    _push(app, live)
    _live_with(api, live, app)
    api.state.live = live
    return api


def _push(app: Dash, live: LiveState) -> None:
    parts = {page.path: page.parts for page in PAGES}

    @app.callback(State("_pages_location", "pathname"), websocket=True, persistent=True)
    async def push(path: str | None) -> None:
        """One per open tab, for as long as it is open: first everything, then what changes.

        No callback may have the store as its Input: Dash keeps every value of an Input for ever, to undo it.
        `assets/10-live.js` reads the store when the websocket brings something."""
        socket = ctx.websocket
        if socket is None:
            raise PreventUpdate
        with live.viewer(parts.get(path or "/", ())) as viewer:
            set_props(shell.LIVE, {"data": viewer.everything()})
            asked = asyncio.get_running_loop().time()
            while not socket.is_shutdown:
                await viewer.changed()
                set_props(shell.LIVE, {"data": viewer.changes()})
                await asyncio.sleep(PUSH_EVERY_S)
                if asyncio.get_running_loop().time() - asked > LEASE_S:
                    asked = asyncio.get_running_loop().time()
                    await socket.get_prop(shell.LIVE, "id", timeout=LEASE_ANSWER_S)


def _live_with(api: FastAPI, live: LiveState, pages: Dash) -> None:
    around = api.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        async with around(app) as state, live:
            await _set_up(pages)
            api.state.script_hashes = pages.csp_hashes()
            yield state

    api.router.lifespan_context = lifespan


async def _set_up(pages: Dash) -> None:
    """Dash gathers styles, scripts and callbacks at the first request for `/` or for one of its own paths. A page
    that is opened at another path before that, after a restart, would come without them."""
    for prepare in cast("Any", pages.backend)._before_request_funcs:  # Dash has no public door to them
        waiting = prepare()
        if isawaitable(waiting):
            await waiting
