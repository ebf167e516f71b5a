"""The REST API, the sign-in page and what supervisors ask, as one FastAPI application. Dash mounts on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from dashboard.api import (
    acknowledge,
    commands,
    health,
    kpi,
    quarantine,
    revenue,
    security_events,
    sessions,
    silences,
    stations,
    tariffs,
    tickets,
)
from dashboard.api.login import Door, make_router
from dashboard.context import AppContext
from dashboard.web import problems
from dashboard.web.directory import Directory
from dashboard.web.guard import MAX_BODY_BYTES, Guard
from dashboard.web.metrics import Pulses, RequestMetrics, listen, make_registry
from dashboard.web.origin import origin_of
from dashboard.web.sessions import WALL_LIFETIME, EndedSessions
from dashboard.web.shield import SecurityHeaders, Shielded
from dashboard.web.wire import describe
from laddvakt import __version__
from laddvakt.settings import web_secret

_DESCRIPTION = """
Sign in with `Authorization: Bearer TOKEN` (`laddvakt token add`), or with the browser's session.
Lists are `{"items": [...], "next": cursor|null}`; pass `next` as `after`. Errors are RFC 9457 problem details.
Times are RFC 3339 UTC, money is `{"amount": "12.34", "currency": "SEK"}`.
"""


def create_api(context: AppContext) -> FastAPI:
    """The application without pages. `app.state.context` is the context; `app.state.script_hashes` (a list, empty
    at first) may be filled with `Dash.csp_hashes()` so that no other inline script runs on pages."""
    pulses = Pulses()
    ended = EndedSessions()
    directory = Directory(context.records, context.clock)
    app = Shielded(
        title="Laddvakt",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        max_body_size=MAX_BODY_BYTES,
        lifespan=_lifespan(context, pulses),
    )
    app.state.context = context
    app.state.script_hashes = []
    app.state.metrics = make_registry(context, pulses)
    problems.install(app)
    for module in (
        acknowledge,
        commands,
        stations,
        sessions,
        tickets,
        silences,
        revenue,
        kpi,
        tariffs,
        quarantine,
        security_events,
        health,
    ):
        app.include_router(module.router)
    app.include_router(make_router(Door(context, directory, ended)))
    _add_docs(app)
    _end_of_api(app)
    app.shield = _shield(app, context, directory, ended)
    return app


def _lifespan(context: AppContext, pulses: Pulses) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = await listen(context, pulses)
        try:
            yield
        finally:
            await stop()

    return lifespan


def _shield(
    app: FastAPI, context: AppContext, directory: Directory, ended: EndedSessions
) -> Callable[[ASGIApp], ASGIApp]:
    settings = context.settings
    public_origin = origin_of(settings.web.public_url)
    https = public_origin.startswith("https:")
    key = web_secret(settings)

    def wrap(inner: ASGIApp) -> ASGIApp:
        guard = Guard(inner, directory=directory, ended=ended, clock=context.clock, public_origin=public_origin)
        signed = SessionMiddleware(
            guard,
            secret_key=key,
            session_cookie="__Host-laddvakt" if https else "laddvakt",
            max_age=int(WALL_LIFETIME.total_seconds()),  # shorter ones end by what the session itself says
            same_site="lax",
            https_only=https,
        )
        headers = SecurityHeaders(signed, https=https, script_hashes=lambda: list(app.state.script_hashes))
        return RequestMetrics(headers, app.state.metrics)

    return wrap


def _add_docs(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    # Swagger UI from a package: a control room may have no way out to a content delivery network.
    app.mount("/api/docs/static", StaticFiles(packages=[("fastapi_offline", "static")]))

    @app.get("/api/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/api/openapi.json",
            title="Laddvakt API",
            swagger_js_url="/api/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/api/docs/static/swagger-ui.css",
            swagger_favicon_url="/assets/favicon.svg",
        )


def _end_of_api(app: FastAPI) -> None:
    """A path of the API that does not exist is a problem, not one of the pages."""

    @app.api_route("/api/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def nothing_here(rest: str) -> None:
        raise HTTPException(404, f"There is no /api/{rest}; see /api/docs.")
