"""GET /api/v1/sessions."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Cost, CostLine, Session, SessionState
from laddvakt.stores.ports import Point, User
from tests.support.webapp import NOON, Web, quick_hash


def _money(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="SEK")


def _session(number: int, *, driver: str, state: SessionState = SessionState.ENDED) -> Session:
    started = NOON - timedelta(hours=10 - number)
    ended = state is SessionState.ENDED
    return Session(
        session_id=f"S-{number}",
        station_id=f"SE-{number % 2 + 1}",
        connector_id=1,
        transaction_id=str(number),
        driver_id=driver,
        state=state,
        started_at=started,
        ended_at=started + timedelta(minutes=30) if ended else None,
        energy_wh=1000 * number,
        cost=Cost(
            excl_vat=_money("10.00"),
            vat=_money("2.50"),
            incl_vat=_money("12.50"),
            lines=(
                CostLine(
                    component="ENERGY",
                    quantity=Decimal(number),
                    unit="kWh",
                    price=Decimal("4.25"),
                    vat_pct=Decimal(25),
                    excl_vat=Decimal("10.00"),
                    vat=Decimal("2.50"),
                ),
            ),
        ),
    )


@pytest.fixture(autouse=True)
def sessions(web: Web) -> None:
    with web.records.begin() as work:
        work.sessions.save(
            [
                _session(1, driver="D-1"),
                _session(2, driver="D-2"),
                _session(3, driver="D-1"),
                _session(4, driver="D-2", state=SessionState.ACTIVE),
            ]
        )
    start = NOON - timedelta(hours=9)
    web.telemetry.points = [
        Point(
            station_id="SE-2",
            connector_id=1,
            source=source,
            at=start + timedelta(minutes=minute),
            values={"power_w": 1000.0 * minute, "energy_wh": 10.0 * minute},
        )
        for minute in (-10, 0, 10, 20, 30, 40)
        for source in ("ocpp", "mqtt")
    ]


def _ids(web: Web, role: str = "viewer", **params: str) -> list[str]:
    answer = web.program(role).get("/api/v1/sessions", params=params)
    assert answer.status_code == 200, answer.text
    return [item["session_id"] for item in answer.json()["items"]]


def test_list_is_newest_first(web: Web) -> None:
    assert _ids(web) == ["S-4", "S-3", "S-2", "S-1"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"state": "active"}, ["S-4"]),
        ({"station_id": "SE-2"}, ["S-3", "S-1"]),
        ({"driver_id": "D-2"}, ["S-4", "S-2"]),
        ({"from": "2026-11-21T04:00:00Z"}, ["S-4", "S-3", "S-2"]),
        ({"to": "2026-11-21T05:00:00+01:00"}, ["S-1"]),
        ({"from": "2026-11-21T04:00:00Z", "to": "2026-11-21T06:00:00Z", "state": "ended"}, ["S-3", "S-2"]),
    ],
)
def test_filters(web: Web, params: dict[str, str], found: list[str]) -> None:
    assert _ids(web, **params) == found


def test_cursor_continues(web: Web) -> None:
    first = web.program("viewer").get("/api/v1/sessions", params={"limit": 3}).json()
    assert _ids(web, after=first["next"]) == ["S-1"]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("state=charging", "query.state"),
        ("from=2026-11-21T10:00:00", "query.from"),
        ("from=2026-11-21", "query.from"),
        ("from=1700000000", "query.from"),
        ("to=0001-01-01T00:00:00%2B14:00", "query.to"),
        ("from=2026-11-21T10:00:00Z&to=2026-11-21T10:00:00Z", "query.to"),
        ("after=not-a-cursor", "query.after"),
        ("limit=1000", "query.limit"),
        ("drivr_id=D-1", "query.drivr_id"),
    ],
)
def test_bad_parameters_are_named(web: Web, query: str, where: str) -> None:
    answer = web.program("viewer").get(f"/api/v1/sessions?{query}")
    assert answer.status_code == 422
    assert where in [part["where"] for part in answer.json()["errors"]]


def test_one_session_with_exact_money(web: Web) -> None:
    answer = web.program("viewer").get("/api/v1/sessions/S-3")
    assert answer.status_code == 200
    assert answer.json()["cost"]["incl_vat"] == {"amount": "12.50", "currency": "SEK"}
    assert answer.json()["started_at"] == "2026-11-21T05:00:00Z"


@pytest.mark.parametrize("path", ["/api/v1/sessions/S-9", "/api/v1/sessions/S-9/telemetry"])
def test_unknown_session_is_not_found(web: Web, path: str) -> None:
    assert web.program("viewer").get(path).status_code == 404


@pytest.mark.parametrize("path", ["", "/S-1", "/S-1/telemetry"])
def test_nobody_is_told_anything(web: Web, path: str) -> None:
    assert web.nobody().get("/api/v1/sessions" + path).status_code == 401


def test_drivers_see_their_own_sessions_only(web: Web) -> None:
    assert _ids(web, "driver") == ["S-3", "S-1"]
    assert _ids(web, "driver", driver_id="D-1") == ["S-3", "S-1"]
    driver = web.program("driver")
    assert driver.get("/api/v1/sessions?driver_id=D-2").status_code == 403
    assert driver.get("/api/v1/sessions/S-1").status_code == 200
    assert driver.get("/api/v1/sessions/S-1/telemetry").status_code == 200
    other, unknown = driver.get("/api/v1/sessions/S-2"), driver.get("/api/v1/sessions/S-9")
    assert other.status_code == unknown.status_code == 404
    assert other.json()["detail"].replace("S-2", "S-9") == unknown.json()["detail"]
    assert driver.get("/api/v1/sessions/S-2/telemetry").status_code == 404


def test_driver_without_a_driver_sees_nothing(web: Web) -> None:
    with web.records.begin() as work:
        work.people.save_user(User(name="driver", role="driver", password_hash=quick_hash("x" * 12)))
    browser = web.nobody()
    browser.sign_in("driver", "x" * 12)
    assert browser.get("/api/v1/sessions").status_code == 403


def test_telemetry_of_the_session_alone(web: Web) -> None:
    answer = web.program("viewer").get("/api/v1/sessions/S-1/telemetry").json()
    assert (answer["station_id"], answer["connector_id"], answer["source"]) == ("SE-2", 1, "ocpp")
    assert [sample["value"] for sample in answer["fields"]["power_w"]] == [0.0, 10000.0, 20000.0, 30000.0]
    assert answer["fields"]["energy_wh"][0] == {"at": "2026-11-21T03:00:00Z", "value": 0.0}


def test_telemetry_of_a_part_and_one_field(web: Web) -> None:
    params = {"field": "power_w", "from": "2026-11-21T03:05:00Z", "to": "2026-11-21T03:20:00Z", "source": "mqtt"}
    answer = web.program("viewer").get("/api/v1/sessions/S-1/telemetry", params=params).json()
    assert list(answer["fields"]) == ["power_w"]
    assert [sample["value"] for sample in answer["fields"]["power_w"]] == [10000.0]
    assert answer["from"] == "2026-11-21T03:05:00Z"


def test_telemetry_outside_the_session_is_empty(web: Web) -> None:
    params = {"from": "2026-11-21T09:00:00Z"}
    answer = web.program("viewer").get("/api/v1/sessions/S-1/telemetry", params=params)
    assert answer.status_code == 200
    assert answer.json()["fields"] == {}


@pytest.mark.parametrize("query", ["source=other", "limit=0", "limit=100001", "field=", "from=yesterday"])
def test_bad_telemetry_parameters(web: Web, query: str) -> None:
    assert web.program("viewer").get(f"/api/v1/sessions/S-1/telemetry?{query}").status_code == 422
