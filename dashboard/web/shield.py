"""What stands before the whole application, in order: metrics, security headers, browser sessions, the guard.

It wraps the finished application (`Shielded.build_middleware_stack`), so that middleware which Dash adds later is
behind it as well.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.web.guard import Place, place_of
from dashboard.web.headers import security_headers

Wrap = Callable[[ASGIApp], ASGIApp]


class Shielded(FastAPI):
    """An application behind its shield."""

    shield: Wrap | None = None

    def build_middleware_stack(self) -> ASGIApp:
        stack = super().build_middleware_stack()
        return self.shield(stack) if self.shield is not None else stack


class SecurityHeaders:
    """ASGI middleware. `script_hashes` is asked per response: Dash knows its inline scripts only once it is set
    up."""

    def __init__(self, app: ASGIApp, *, https: bool, script_hashes: Callable[[], list[str]]) -> None:
        self._app = app
        self._https = https
        self._script_hashes = script_hashes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        docs = path.startswith("/api/docs")  # Swagger UI starts with an inline script of its own
        strict = place_of(path) in (Place.OPEN, Place.API, Place.PROBE) and not docs
        asset = path.startswith(("/assets/", "/_dash-component-suites/", "/api/docs/"))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                hashes = [] if docs else self._script_hashes()
                for name, value in security_headers(
                    strict=strict, https=self._https, script_hashes=hashes
                ).items():
                    headers.setdefault(name, value)
                if not asset:
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)
