"""Signing in and out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import passwords
from dashboard.api.login import local_path
from dashboard.web.directory import FRESH_FOR
from laddvakt.demo import DEMO_LOGINS
from laddvakt.stores.ports import User
from tests.support.webapp import ORIGIN, PASSWORD, ROLES, Browser, Web, quick_hash

STATIONS = "/api/v1/stations"


def _later(web: Web) -> None:
    """Past what is remembered of users."""
    web.clock.advance(seconds=FRESH_FOR.total_seconds())


def _cookie_content(browser: Browser) -> dict[str, object]:
    (value,) = (cookie.value for cookie in browser.http.cookies.jar)
    assert value is not None
    decoded: dict[str, object] = json.loads(base64.b64decode(value.partition(".")[0]))
    return decoded


def test_the_form_is_accessible_and_says_nothing_of_demo(web: Web) -> None:
    answer = web.nobody().get("/login?next=/tickets")
    assert answer.status_code == 200
    for part in (
        '<html lang="en">',
        '<label for="username">',
        '<label for="password">',
        'autocomplete="username"',
        'autocomplete="current-password"',
        'name="next" value="/tickets"',
        'method="post"',
    ):
        assert part in answer.text
    assert "Demo logins" not in answer.text


def test_demo_mode_shows_its_logins(make_web: Callable[..., Web]) -> None:
    text = make_web(demo=True).nobody().get("/login").text
    assert all(login.password in text for login in DEMO_LOGINS)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "driver"])
def test_sign_in_opens_a_session(web: Web, role: str) -> None:
    browser = web.nobody()
    answer = browser.sign_in(role, next="/tickets?state=open")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tickets?state=open")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert browser.get(STATIONS).status_code == 200
    assert browser.get("/login").headers["location"] == "/"
    audited = web.audit()[0]
    assert (audited.action, audited.actor, audited.detail) == ("login.succeeded", role, {"address": "192.0.2.7"})


def test_over_https_the_cookie_is_bound_to_it(make_web: Callable[..., Web]) -> None:
    web = make_web(web={"public_url": "https://charge.example"})
    browser = web.nobody(origin="https://charge.example")
    cookie = browser.sign_in("viewer").headers["set-cookie"]
    assert cookie.startswith("__Host-laddvakt=")
    assert "; secure" in cookie
    assert browser.get(STATIONS).headers["strict-transport-security"]


def test_wrong_password_and_unknown_name_look_alike(web: Web) -> None:
    wrong = web.nobody().sign_in("admin", "wrong")
    unknown = web.nobody().sign_in("nobody", "wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("admin", "nobody") == unknown.text
    assert "Name or password is not right." in wrong.text
    assert 'role="alert"' in wrong.text
    assert "set-cookie" not in wrong.headers
    assert [item.action for item in web.audit()] == ["login.failed", "login.failed"]


def test_disabled_users_cannot_sign_in(web: Web) -> None:
    with web.records.begin() as work:
        work.people.save_user(User(name="gone", role="admin", password_hash=quick_hash(PASSWORD), disabled=True))
    assert web.nobody().sign_in("gone").status_code == 401


@pytest.mark.parametrize(
    "fields", [{}, {"username": "admin"}, {"password": "x"}, {"username": " ", "password": "x"}]
)
def test_an_empty_form_is_answered_kindly(web: Web, fields: dict[str, str]) -> None:
    answer = web.nobody().post("/login", data=fields)
    assert answer.status_code == 400
    assert "Please fill in" in answer.text


def test_what_was_typed_is_escaped(web: Web) -> None:
    answer = web.nobody().sign_in('"><script>alert(1)</script>', "x")
    assert "<script>" not in answer.text


def test_oversized_forms_are_refused(web: Web) -> None:
    assert web.nobody().post("/login", data={"username": "x" * 20_000}).status_code == 413
    assert web.nobody().sign_in("x" * 200, "x").status_code == 400
    assert web.nobody().sign_in("admin", "x" * 2000).status_code == 400
    assert web.nobody().post("/login", files={"username": b"x", "password": b"y"}).status_code == 400


def test_records_away_is_told(web: Web) -> None:
    web.records.away = True
    assert web.nobody().sign_in("admin").status_code == 503


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/login",
        "/logout",
        "///evil.example",
    ],
)
def test_next_leads_nowhere_else(web: Web, target: str) -> None:
    assert local_path(target) is None
    assert web.nobody().sign_in("admin", next=target).headers["location"] == "/"


@given(st.text())
def test_local_paths_are_local(target: str) -> None:
    path = local_path(target)
    if path is not None:
        assert path == target
        assert path[0] == "/"
        assert path[1:2] not in ("/", "\\")


def test_tries_on_one_name_are_slowed_down(web: Web) -> None:
    browsers = [web.nobody(address=f"198.51.100.{n}") for n in range(8)]
    for browser in browsers[:5]:
        assert browser.sign_in("admin", "wrong").status_code == 401
    refused = browsers[5].sign_in("ADMIN", PASSWORD)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) == 10
    assert "try again in 10 seconds" in refused.text
    web.clock.advance(seconds=10)
    assert browsers[6].sign_in("admin", "wrong").status_code == 401
    assert browsers[7].sign_in("admin").headers["retry-after"] == "20"
    web.clock.advance(seconds=20)
    assert browsers[7].sign_in("admin").status_code == 303
    assert browsers[7].sign_in("admin", "wrong").status_code == 401  # a good one clears the count


@pytest.fixture
def quick_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown names are checked at no cost: for tests that try many."""
    monkeypatch.setattr(passwords, "_nobody", lambda: quick_hash("nobody"))


@pytest.mark.usefixtures("quick_nobody")
def test_tries_from_one_address_are_slowed_down(web: Web) -> None:
    browser = web.nobody()
    answers = [browser.sign_in(f"name-{n}", "wrong").status_code for n in range(21)]
    assert answers == [401] * 20 + [429]
    assert web.nobody(address="198.51.100.9").sign_in("admin").status_code == 303


@pytest.mark.usefixtures("quick_nobody")
def test_one_ipv6_household_is_one_address(web: Web) -> None:
    for n in range(20):
        web.nobody(address=f"2001:db8::{n + 1}").sign_in(f"name-{n}", "wrong")
    assert web.nobody(address="2001:db8::ffff").sign_in("admin").status_code == 429
    assert web.nobody(address="2001:db8:1::1").sign_in("admin").status_code == 303


@pytest.mark.parametrize(("role", "hours"), [("maintainer", 12), ("admin", 12), ("viewer", 90 * 24)])
def test_sessions_end_by_themselves(web: Web, role: str, hours: int) -> None:
    browser = web.person(role)
    web.clock.advance(hours=hours, seconds=-1)
    assert browser.get(STATIONS).status_code == 200
    web.clock.advance(seconds=1)
    assert browser.get(STATIONS).status_code == 401
    assert browser.get("/tickets").headers["location"] == "/login?next=/tickets"


def test_disabled_users_lose_access_at_once(web: Web) -> None:
    browser = web.person("admin")
    assert browser.get(STATIONS).status_code == 200
    with web.records.begin() as work:
        work.people.save_user(User(name="admin", role="admin", password_hash=quick_hash(PASSWORD), disabled=True))
    _later(web)
    assert browser.get(STATIONS).status_code == 401


def test_a_changed_password_ends_open_sessions(web: Web) -> None:
    browser = web.person("admin")
    with web.records.begin() as work:
        work.people.save_user(User(name="admin", role="admin", password_hash=quick_hash("another one")))
    _later(web)
    assert browser.get(STATIONS).status_code == 401


def test_a_changed_role_takes_effect_on_open_sessions(web: Web) -> None:
    browser = web.person("admin")
    assert browser.get("/api/v1/revenue").status_code == 200
    with web.records.begin() as work:
        work.people.save_user(User(name="admin", role="viewer", password_hash=quick_hash(PASSWORD)))
    _later(web)
    assert browser.get("/api/v1/revenue").status_code == 403


def test_each_sign_in_has_an_id_of_its_own(web: Web) -> None:
    browser = web.person("viewer")
    first = _cookie_content(browser)
    browser.sign_in("admin")
    second = _cookie_content(browser)
    assert first["id"] != second["id"]
    assert (first["user"], second["user"]) == ("viewer", "admin")
    assert PASSWORD not in str(second)


def test_sign_out_ends_the_session_and_a_copy_of_its_cookie(web: Web) -> None:
    browser = web.person("admin")
    copy = web.nobody()
    copy.http.cookies = browser.http.cookies.__class__(browser.http.cookies)
    answer = browser.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert browser.get(STATIONS).status_code == 401
    assert copy.get(STATIONS).status_code == 401
    assert web.audit()[0].action == "logout"


def test_sign_out_without_a_session_is_harmless(web: Web) -> None:
    assert web.nobody().post("/logout").status_code == 303
    assert not web.audit()


@pytest.mark.parametrize("path", ["/login", "/logout"])
@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_other_sites_cannot_sign_anybody_in_or_out(web: Web, path: str, headers: dict[str, str]) -> None:
    browser = web.person("admin")
    data = {"username": "viewer", "password": PASSWORD}
    assert browser.post(path, data=data, headers=headers).status_code == 403
    assert browser.post("/login", data=data, headers={"Origin": ORIGIN}).status_code == 303


@pytest.mark.parametrize("cookie", ["garbage", "e30=.x.y", "eyJpZCI6MX0=", ""])
def test_forged_cookies_are_nothing(web: Web, cookie: str) -> None:
    assert web.nobody(headers={"Cookie": f"laddvakt={cookie}"}).get(STATIONS).status_code == 401


def test_a_cookie_signed_by_another_installation_is_nothing(make_web: Callable[..., Web]) -> None:
    other = make_web(web={"secret": "theirs"}).person("admin")
    mine = make_web(web={"secret": "ours"}).nobody()
    mine.http.cookies = other.http.cookies
    assert mine.get(STATIONS).status_code == 401


def test_a_signed_cookie_of_another_version_is_nothing(web: Web) -> None:
    import itsdangerous

    from laddvakt.settings import secret

    signer = itsdangerous.TimestampSigner(secret(web.settings, "web.secret", ""))
    content = base64.b64encode(json.dumps({"user": "admin"}).encode())
    cookie = signer.sign(content).decode()
    assert web.nobody(headers={"Cookie": f"laddvakt={cookie}"}).get(STATIONS).status_code == 401
