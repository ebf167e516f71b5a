"""The guard: who asks, and whether this path is for them. Nothing behind it is reached by a stranger.

It stands before everything else, Dash's own endpoints and websockets included, so that a page that forgets to ask
leaks nothing to somebody who is not signed in.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from dashboard.auth import Action, Principal, remember
from dashboard.web.directory import Directory
from dashboard.web.origin import crosses_sites
from dashboard.web.problems import of_error, problem
from dashboard.web.sessions import BrowserSession, EndedSessions, believed, read_session
from laddvakt.acknowledging import PATH
from laddvakt.domain.errors import StoreError, StoreUnavailableError

logger = logging.getLogger(__name__)

SIGNED_OUT_CLOSE_CODE = 4401
"""Websocket close code (private range, RFC 6455 section 7.4.2) when nobody is signed in, or no longer."""


CHALLENGE = 'Bearer realm="laddvakt"'
"""WWW-Authenticate of a 401 (RFC 9110 section 11.6.1)."""


MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_FORM_BYTES = 16 * 1024
"""Bodies of strangers: nothing but a name and a password."""


class Place(StrEnum):
    """What kind of thing a path is."""

    PROBE = "probe"  # health and metrics: open, and must not touch the records
    OPEN = "open"  # the sign-in page and what it needs, and links of messages
    API = "api"  # programs: refused with a problem
    INNER = "inner"  # Dash's own requests: refused with a problem, never sent to the sign-in page
    PAGE = "page"  # people: sent to the sign-in page


_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_OPEN = frozenset({"/login", "/logout", "/favicon.ico", "/_favicon.ico", "/api/openapi.json", "/api/docs"})
_OPEN_ASSETS = (".css", ".svg", ".ico", ".woff2", ".png")


def place_of(path: str) -> Place:
    """The kind of a path."""
    if path in _PROBES:
        return Place.PROBE
    if path in _OPEN or path.startswith(("/api/docs/", PATH)):
        return Place.OPEN
    if path.startswith("/assets/") and path.endswith(_OPEN_ASSETS):
        return Place.OPEN
    if path.startswith("/api/") or path == "/api":
        return Place.API
    if path.startswith(("/_dash-", "/_reload-hash", "/assets/")):
        return Place.INNER
    return Place.PAGE


class Asked(NamedTuple):
    """Who asks, and whether a cookie (which a browser sends by itself) is all that says so."""

    principal: Principal | None
    by_cookie: bool


class Guard:
    """ASGI middleware. Needs the session middleware before it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        directory: Directory,
        ended: EndedSessions,
        clock: Callable[[], datetime],
        public_origin: str,
    ) -> None:
        self._app = app
        self._directory = directory
        self._ended = ended
        self._clock = clock
        self._public_origin = public_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or place_of(scope["path"]) is Place.PROBE:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope, receive)
        try:
            asked = await self._who(connection)
        except StoreError as error:
            await self._refuse(of_error(error), scope, receive, send)
            return
        refusal = self._refusal(connection, asked)
        if refusal is not None:
            await self._refuse(refusal, scope, receive, send)
            return
        remember(connection, asked.principal)
        if scope["type"] == "websocket":
            await self._watch(connection, receive, send)
            return
        await self._app(scope, receive, send)

    async def _who(self, connection: HTTPConnection) -> Asked:
        credentials = connection.headers.get("authorization")
        if credentials is not None:
            return Asked(await self._bearer(credentials), by_cookie=False)
        session = read_session(connection.session)
        return Asked(await self._person(session) if session else None, by_cookie=True)

    async def _bearer(self, credentials: str) -> Principal | None:
        scheme, _, token = credentials.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        known = await self._directory.api_token(token.strip())
        if known is None:
            return None
        return Principal(name=f"token:{known.name}", role=known.role, driver_id=known.driver_id)

    async def _person(self, session: BrowserSession) -> Principal | None:
        if session.id in self._ended:
            return None
        user = await self._directory.user(session.user)
        if user is None or not believed(session, user, self._clock()):
            return None
        return Principal(name=user.name, role=user.role, driver_id=user.driver_id)

    def _refusal(self, connection: HTTPConnection, asked: Asked) -> Response | None:
        """The answer instead of the real one; None to go on."""
        scope = connection.scope
        place = place_of(scope["path"])
        method = str(scope.get("method", "WEBSOCKET"))
        limit = MAX_FORM_BYTES if place is Place.OPEN else MAX_BODY_BYTES
        if _announced_bytes(connection) > limit:  # one that does not announce its size is cut off while it is read
            return problem(413, f"The body is larger than {limit} bytes.")
        if asked.by_cookie:
            why = crosses_sites(method=method, headers=connection.headers, public_origin=self._public_origin)
            if why is not None:
                return problem(403, f"This request is refused because {why}.")
        if place is Place.OPEN:
            return None
        if asked.principal is None:
            return _sign_in(connection, place, method)
        if place is not Place.API and not asked.principal.may(Action.USE_PAGES):
            return problem(403, "These pages are for the operator's staff. Your account may use the API.")
        return None

    @staticmethod
    async def _refuse(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose(code=SIGNED_OUT_CLOSE_CODE, reason="not allowed")(scope, receive, send)
            return
        await refusal(scope, receive, send)

    async def _watch(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        """A websocket lives for weeks: before each message, either way, its owner must still be let in."""
        closed = False

        async def lost() -> bool:
            try:
                return (await self._who(connection)).principal is None
            except StoreUnavailableError:
                return False  # the records being away for a moment is no reason to darken the wall

        async def close() -> None:
            nonlocal closed
            closed = True
            with contextlib.suppress(RuntimeError, OSError):  # it may be closed by the other side already
                await send({"type": "websocket.close", "code": SIGNED_OUT_CLOSE_CODE, "reason": "signed out"})

        async def guarded_send(message: Message) -> None:
            if closed:
                return
            if message["type"] == "websocket.send" and await lost():
                await close()
                return
            await send(message)

        async def guarded_receive() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not closed and await lost():
                await close()
            if closed:
                return {"type": "websocket.disconnect", "code": SIGNED_OUT_CLOSE_CODE, "reason": "signed out"}
            return message

        await self._app(connection.scope, guarded_receive, guarded_send)


def _announced_bytes(connection: HTTPConnection) -> int:
    text = connection.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _sign_in(connection: HTTPConnection, place: Place, method: str) -> Response:
    if place is Place.PAGE and method in ("GET", "HEAD"):
        path = connection.scope["path"]
        query = connection.scope.get("query_string", b"").decode("latin-1")
        target = quote(path + (f"?{query}" if query else ""), safe="/")
        return RedirectResponse("/login" if path == "/" and not query else f"/login?next={target}", 303)
    return problem(
        401,
        "Sign in, or send a known API token as `Authorization: Bearer TOKEN`.",
        headers={"WWW-Authenticate": CHALLENGE},
    )
