"""`/login` and `/logout`: a form, a signed cookie, and no hint to somebody who guesses."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, PackageLoader
from starlette.datastructures import FormData, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse

from dashboard.auth import Role, current_user
from dashboard.context import AppContext
from dashboard.passwords import MAX_LENGTH, verify_password
from dashboard.web.directory import Directory
from dashboard.web.guard import CHALLENGE, MAX_FORM_BYTES
from dashboard.web.sessions import EndedSessions, open_session, read_session
from laddvakt.attempts import Attempts
from laddvakt.demo import DEMO_LOGINS
from laddvakt.stores.ports import AuditItem, User

logger = logging.getLogger(__name__)

_WRONG = "Name or password is not right."
_MAX_NAME = 128
_page = Environment(loader=PackageLoader("dashboard.api", "."), autoescape=True).get_template("login.html")


class Door:
    """Signing in: who may try now, and whether it was right."""

    def __init__(self, context: AppContext, directory: Directory, ended: EndedSessions) -> None:
        self.context = context
        self.ended = ended
        self._directory = directory
        self._names = Attempts(free=5)
        self._addresses = Attempts(free=20)  # a whole office may share one
        # A check takes 64 MiB and a good part of a core for a moment: strangers must not be able to run many.
        self._turn = asyncio.Semaphore(2)

    def wait(self, name: str, address: str) -> timedelta:
        """Zero: a try may be made, and is counted."""
        now = self.context.clock()
        wait = self._addresses.begin(address, now)
        return wait or self._names.begin(name.casefold(), now)

    async def check(self, name: str, password: str, address: str) -> User | None:
        """The user, when name and password are right. Audited either way."""
        async with self._turn:
            user = await asyncio.to_thread(self._check, name, password, address)
        if user is not None:
            self._names.forget(name.casefold())
            self._addresses.take_back(address)
        return user

    def _check(self, name: str, password: str, address: str) -> User | None:
        user = self._directory.user_now(name)
        right = verify_password(user.password_hash if user else None, password)
        outcome = "succeeded" if right else "failed"
        self._audit(f"login.{outcome}", name, address)
        return user if right else None

    def audit_logout(self, name: str, address: str) -> None:
        self._audit("logout", name, address)

    def _audit(self, action: str, name: str, address: str) -> None:
        item = AuditItem(
            at=self.context.clock(), actor=name, action=action, object=name, detail={"address": address}
        )
        with self.context.records.begin() as work:
            work.people.audit(item)


def local_path(target: str | None) -> str | None:
    """`target` when it is a path on this site that a person may be sent to; else None."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or any(ord(letter) < 32 or ord(letter) == 127 for letter in target):
        return None
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path in ("/login", "/logout"):
        return None
    return target


def address_of(request: Request) -> str:
    """Whom to count tries against: an IPv4 address, or the /64 that one IPv6 household has."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def make_router(door: Door) -> APIRouter:
    """The routes of one application."""
    router = APIRouter(include_in_schema=False)
    demo = DEMO_LOGINS if door.context.settings.demo else ()

    def page(status: int = 200, *, error: str = "", name: str = "", target: str = "") -> HTMLResponse:
        html = _page.render(error=error, name=name, next=target, demo=demo)
        return HTMLResponse(html, status)

    @router.get("/login")
    async def show(request: Request) -> Response:
        target = local_path(request.query_params.get("next"))
        if (principal := current_user(request)) is not None and principal.role != Role.DRIVER:
            return RedirectResponse(target or "/", 303)
        return page(target=target or "")

    @router.post("/login", max_body_size=MAX_FORM_BYTES)
    async def sign_in(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=10) as form:
            name, password, target = (_field(form, key) for key in ("username", "password", "next"))
        target = local_path(target) or ""
        if not name or not password or len(name) > _MAX_NAME or len(password) > MAX_LENGTH:
            return page(
                400, error="Please fill in your name and your password.", name=name[:_MAX_NAME], target=target
            )
        address = address_of(request)
        wait = door.wait(name, address)
        if wait:
            seconds = math.ceil(wait.total_seconds())
            answer = page(429, error=_too_often(seconds), name=name, target=target)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        user = await door.check(name, password, address)
        if user is None:
            logger.warning("sign-in failed from %s", address)
            answer = page(401, error=_WRONG, name=name, target=target)
            answer.headers["WWW-Authenticate"] = CHALLENGE
            return answer
        request.session.clear()  # nothing of the former session lives on
        request.session.update(open_session(user, door.context.clock()))
        return RedirectResponse(target or "/", 303)

    @router.post("/logout")
    async def sign_out(request: Request) -> Response:
        session = read_session(request.session)
        principal = current_user(request)
        request.session.clear()
        if session is not None:
            door.ended.add(session.id)
        if principal is not None:
            await asyncio.to_thread(door.audit_logout, principal.name, address_of(request))
        return RedirectResponse("/login", 303)

    return router


def _field(form: FormData, key: str) -> str:
    value = form.get(key, "")
    text = "" if isinstance(value, UploadFile) else value
    return text if key == "password" else text.strip()


def _too_often(seconds: int) -> str:
    unit = f"{seconds} seconds" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
    return f"Too many tries. Please try again in {unit}."
