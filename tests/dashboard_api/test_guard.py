"""What stands before everything: nobody gets past it, and every answer carries its headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Request, WebSocket
from starlette.datastructures import Headers
from starlette.websockets import WebSocketDisconnect

from dashboard.auth import current_user, signed_in
from dashboard.web.directory import FRESH_FOR
from dashboard.web.guard import SIGNED_OUT_CLOSE_CODE, Place, place_of
from laddvakt.stores.ports import User
from tests.support.webapp import ORIGIN, PASSWORD, Web, quick_hash


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/healthz", Place.PROBE),
        ("/metrics", Place.PROBE),
        ("/login", Place.OPEN),
        ("/assets/laddvakt.css", Place.OPEN),
        ("/assets/live.js", Place.INNER),
        ("/api/docs", Place.OPEN),
        ("/api/docs/static/swagger-ui.css", Place.OPEN),
        ("/api/openapi.json", Place.OPEN),
        ("/api/v1/stations", Place.API),
        ("/api", Place.API),
        ("/_dash-layout", Place.INNER),
        ("/_dash-update-component", Place.INNER),
        ("/_dash-ws-callback", Place.INNER),
        ("/", Place.PAGE),
        ("/healthz/x", Place.PAGE),
        ("/loginx", Place.PAGE),
        ("/apiary", Place.PAGE),
    ],
)
def test_places(path: str, place: Place) -> None:
    assert place_of(path) is place


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", "/login"),
        ("/tickets", "/login?next=/tickets"),
        ("/sessions?state=active&x=1", "/login?next=/sessions%3Fstate%3Dactive%26x%3D1"),
        ("//evil.example", "/login?next=//evil.example"),
        ("/no/such/page", "/login?next=/no/such/page"),
    ],
)
def test_strangers_are_sent_to_the_sign_in_page(web: Web, path: str, location: str) -> None:
    answer = web.nobody().get(ORIGIN + path)
    assert (answer.status_code, answer.headers["location"]) == (303, location)


@pytest.mark.parametrize(
    "path", ["/_dash-layout", "/_dash-update-component", "/assets/live.js", "/api/v1/nothing"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_strangers_get_a_problem_where_no_person_looks(web: Web, path: str, method: str) -> None:
    answer = web.nobody().request(method, path)
    assert answer.status_code == 401
    assert answer.json()["status"] == 401


def test_strangers_cannot_post_to_pages(web: Web) -> None:
    assert web.nobody().post("/tickets").status_code == 401


def test_strangers_are_refused_before_any_middleware_that_comes_later(web: Web) -> None:
    reached: list[str] = []

    class Later:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                reached.append(scope["path"])
            await self.app(scope, receive, send)

    web.app.add_middleware(Later)
    web.nobody().post("/_dash-update-component", json={})
    assert reached == []
    web.program("viewer").get("/api/v1/stations")
    assert reached == ["/api/v1/stations"]


@pytest.mark.parametrize(
    "credentials",
    ["Bearer wrong", "Bearer ", "Bearer", "Basic dmlld2VyOng=", "token-of-viewer", "Bearer token-of-viewer x"],
)
def test_unknown_tokens_are_refused_even_with_a_good_cookie(web: Web, credentials: str) -> None:
    browser = web.person("admin")
    answer = browser.get("/api/v1/stations", headers={"Authorization": credentials})
    assert answer.status_code == 401


def test_tokens_are_case_insensitive_in_the_scheme_only(web: Web) -> None:
    nobody = web.nobody()
    answer = nobody.get("/api/v1/stations", headers={"Authorization": "bearer token-of-viewer"})
    assert answer.status_code == 200
    answer = nobody.get("/api/v1/stations", headers={"Authorization": "Bearer TOKEN-OF-VIEWER"})
    assert answer.status_code == 401


def test_drivers_may_not_open_the_operators_pages(web: Web) -> None:
    browser = web.person("driver")
    assert browser.get("/").status_code == 403
    assert browser.post("/_dash-update-component", json={}).status_code == 403
    assert browser.get("/api/v1/sessions").status_code == 200
    assert browser.get("/login").status_code == 200  # no redirect into a page that refuses them


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"Origin": ORIGIN}, 404),
        ({"Origin": ORIGIN.upper()}, 404),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://proxied.example"}, 404),
        ({"Sec-Fetch-Site": "none"}, 404),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ORIGIN + ":8051"}, 403),
    ],
)
def test_other_sites_cannot_act_with_a_persons_cookie(web: Web, headers: dict[str, str], status: int) -> None:
    path = "/api/v1/tickets/T-1/acknowledge"
    assert web.person("admin").post(path, headers=headers).status_code == status
    # A token is not sent by a browser by itself: whoever has it may come from anywhere.
    assert web.program("admin").post(path, headers=headers).status_code == 404


def test_the_public_origin_is_ours_too(make_web: Callable[..., Web]) -> None:
    web = make_web(web={"public_url": "http://charge.example:8080/"})
    browser = web.person("admin")
    path = "/api/v1/tickets/T-1/acknowledge"
    assert browser.post(path, headers={"Origin": "http://charge.example:8080"}).status_code == 404
    assert browser.post(path, headers={"Origin": "http://charge.example"}).status_code == 403


def test_records_away_refuses_instead_of_letting_in(web: Web) -> None:
    web.records.away = True
    assert web.program("admin").get("/api/v1/stations").status_code == 503
    assert web.nobody().get("/healthz").status_code == 200


def test_no_path_of_the_api_is_a_page(web: Web) -> None:
    client = web.program("admin")
    for path in ("/api/v1/nothing", "/api/v2/stations", "/api/"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_wrong_methods_are_named(web: Web) -> None:
    answer = web.program("admin").request("DELETE", "/healthz")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "GET"


def test_our_own_failures_tell_nothing(web: Web) -> None:
    @web.app.get("/api/broken", include_in_schema=False)
    def broken() -> None:
        raise RuntimeError("password=hunter2")

    web.app.router.routes.insert(0, web.app.router.routes.pop())
    client = web.program("admin")
    client.http._transport.raise_app_exceptions = False  # type: ignore[attr-defined]  # as a server would
    answer = client.get("/api/broken")
    assert answer.status_code == 500
    assert answer.json()["title"] == "Internal Server Error"
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("path", ["/login", "/healthz", "/api/v1/stations", "/", "/api/docs"])
def test_every_answer_has_security_headers(web: Web, path: str) -> None:
    headers = web.nobody().get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_pages_run_only_known_scripts_once_they_are_named(web: Web) -> None:
    browser = web.person("admin")
    assert "script-src 'self' 'unsafe-inline';" in browser.get("/nothing").headers["content-security-policy"]
    web.app.state.script_hashes = ["'sha256-abc='", "'sha256-def='"]
    policy = browser.get("/nothing").headers["content-security-policy"]
    assert "script-src 'self' 'sha256-abc=' 'sha256-def=';" in policy
    assert "'unsafe-inline'" in web.nobody().get("/api/docs").headers["content-security-policy"]
    assert "script-src" not in web.nobody().get("/login").headers["content-security-policy"]


def test_code_behind_the_guard_knows_who_asks(web: Web) -> None:
    seen: list[Any] = []

    @web.app.get("/who")
    def who(request: Request) -> None:  # in a worker thread
        seen.append((current_user(request), signed_in()))

    web.person("maintainer").get("/who")
    ((by_request, by_context),) = seen
    assert by_request == by_context
    assert (by_request.name, by_request.role, by_request.driver_id) == ("maintainer", "maintainer", None)
    assert signed_in() is None


class Socket:
    """One side of a websocket on the bare application."""

    def __init__(self, web: Web, cookie: str, headers: dict[str, str]) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        raw = Headers({"host": "laddvakt.test", "cookie": cookie, **headers}).raw
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "path": "/_dash-ws-callback",
            "raw_path": b"/_dash-ws-callback",
            "query_string": b"",
            "headers": raw,
            "client": ("192.0.2.7", 1),
            "server": ("laddvakt.test", 80),
            "subprotocols": [],
            "scheme": "ws",
            "root_path": "",
        }
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(web.app(self.scope, self.inbox.get, self.outbox.put))

    def say(self, text: str) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})

    async def hear(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.outbox.get(), 5)


def _with_echo(web: Web) -> list[str]:
    """A websocket like Dash's: echoes, and pushes when told. Returns what it met."""
    met: list[str] = []

    @web.app.websocket("/_dash-ws-callback")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        met.append(signed_in().name)  # type: ignore[union-attr]  # the guard let nobody else in
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect as end:
            met.append(f"end {end.code}")

    return met


def _cookie(web: Web, role: str) -> str:
    return "; ".join(f"{c.name}={c.value}" for c in web.person(role).http.cookies.jar)


@pytest.mark.parametrize(
    ("role", "headers"),
    [
        (None, {}),
        ("driver", {}),
        ("viewer", {"origin": "https://evil.example"}),
        (None, {"authorization": "Bearer x"}),
    ],
)
def test_strangers_websockets_are_refused_unopened(web: Web, role: str | None, headers: dict[str, str]) -> None:
    met = _with_echo(web)
    cookie = _cookie(web, role) if role else ""

    async def knock() -> dict[str, Any]:
        socket = Socket(web, cookie, headers)
        answer = await socket.hear()
        await socket.task
        return answer

    answer = web.run(knock())
    assert (answer["type"], answer["code"]) == ("websocket.close", SIGNED_OUT_CLOSE_CODE)
    assert met == []


@pytest.mark.parametrize("how", ["disabled", "expired"])
def test_an_open_websocket_ends_with_its_owners_access(web: Web, how: str) -> None:
    met = _with_echo(web)
    cookie = _cookie(web, "maintainer")

    async def talk() -> list[dict[str, Any]]:
        socket = Socket(web, cookie, {"origin": ORIGIN})
        heard = [await socket.hear()]
        socket.say("one")
        heard.append(await socket.hear())
        web.records.away = True  # for a moment: no reason to darken a wall
        web.clock.advance(seconds=FRESH_FOR.total_seconds())
        socket.say("two")
        heard.append(await socket.hear())
        web.records.away = False
        if how == "disabled":
            with web.records.begin() as work:
                work.people.save_user(
                    User(name="maintainer", role="maintainer", password_hash=quick_hash(PASSWORD), disabled=True)
                )
            web.clock.advance(seconds=FRESH_FOR.total_seconds())
        else:
            web.clock.advance(hours=12)
        socket.say("three")
        heard.append(await socket.hear())
        await socket.task
        return heard

    heard = web.run(talk())
    assert [message["type"] for message in heard[:3]] == ["websocket.accept", "websocket.send", "websocket.send"]
    assert (heard[3]["type"], heard[3]["code"]) == ("websocket.close", SIGNED_OUT_CLOSE_CODE)
    assert met == ["maintainer", f"end {SIGNED_OUT_CLOSE_CODE}"]


def test_pushes_stop_when_the_owner_loses_access(web: Web) -> None:
    go = asyncio.Event()

    @web.app.websocket("/_dash-ws-callback")
    async def push(socket: WebSocket) -> None:
        await socket.accept()
        await go.wait()
        await socket.send_text("revenue")
        await socket.send_text("more")

    cookie = _cookie(web, "manager")

    async def watch() -> list[dict[str, Any]]:
        socket = Socket(web, cookie, {})
        await socket.hear()
        web.clock.advance(hours=12)
        go.set()
        await socket.task
        return [socket.outbox.get_nowait() for _ in range(socket.outbox.qsize())]

    heard = web.run(watch())
    assert heard[0]["type"] == "websocket.close"
    assert "revenue" not in json.dumps(heard)
