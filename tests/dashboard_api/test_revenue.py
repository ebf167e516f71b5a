"""GET /api/v1/revenue."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from dashboard.api.revenue import revenue_object
from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Cost, Quality, Session, SessionState
from laddvakt.stores.ports import RevenueRow
from tests.support.webapp import NOON, Web


def _session(number: int, *, quality: Quality = Quality.CONFIRMED) -> Session:
    ended = NOON - timedelta(days=number % 2)

    def money(amount: str) -> Money:
        return Money(amount=Decimal(amount), currency="SEK")

    return Session(
        session_id=f"S-{number}",
        station_id=f"SE-{number % 2 + 1}",
        connector_id=1,
        transaction_id=str(number),
        state=SessionState.ENDED,
        started_at=ended - timedelta(hours=1),
        ended_at=ended,
        energy_wh=1000,
        quality=quality,
        cost=Cost(excl_vat=money("10.1"), vat=money("2.4"), incl_vat=money("12.5")),
    )


@pytest.fixture(autouse=True)
def sessions(web: Web) -> None:
    with web.records.begin() as work:
        work.sessions.save([_session(1), _session(2), _session(4, quality=Quality.SUSPECT)])


def test_by_station_and_day(web: Web) -> None:
    answer = web.program("manager").get("/api/v1/revenue?group_by=station&interval=day")
    assert answer.status_code == 200
    rows = {(row["key"], row["period"]): row for row in answer.json()["items"]}
    assert set(rows) == {("SE-2", "2026-11-20"), ("SE-1", "2026-11-21")}
    today = rows["SE-1", "2026-11-21"]
    assert today["incl_vat"] == {"amount": "12.50", "currency": "SEK"}
    assert today["excl_vat"] == {"amount": "10.10", "currency": "SEK"}
    assert today["held_sessions"] == 1
    assert today["held_incl_vat"]["amount"] == "12.50"


def test_defaults_to_stations_without_interval(web: Web) -> None:
    rows = web.program("admin").get("/api/v1/revenue").json()["items"]
    assert [(row["key"], row["period"]) for row in rows] == [("SE-1", ""), ("SE-2", "")]


@pytest.mark.parametrize("group_by", ["site", "station", "cable", "connector", "tariff", "driver"])
@pytest.mark.parametrize("interval", ["hour", "day", "month"])
def test_every_grouping_answers(web: Web, group_by: str, interval: str) -> None:
    params = {"group_by": group_by, "interval": interval}
    assert web.program("manager").get("/api/v1/revenue", params=params).status_code == 200


def test_period(web: Web) -> None:
    rows = web.program("manager").get("/api/v1/revenue?from=2026-11-21T00:00:00Z").json()["items"]
    assert [row["key"] for row in rows] == ["SE-1"]


@pytest.mark.parametrize(
    "query", ["group_by=owner", "interval=week", "from=now", "from=2026-11-22T00:00:00Z&to=2026-11-21T00:00:00Z"]
)
def test_bad_parameters(web: Web, query: str) -> None:
    assert web.program("manager").get(f"/api/v1/revenue?{query}").status_code == 422


@pytest.mark.parametrize("role", ["viewer", "maintainer", "driver"])
def test_money_is_for_managers(web: Web, role: str) -> None:
    assert web.program(role).get("/api/v1/revenue").status_code == 403


def test_nobody_is_told_anything(web: Web) -> None:
    assert web.nobody().get("/api/v1/revenue").status_code == 401


def test_amounts_are_never_rounded() -> None:
    row = RevenueRow(
        key="k",
        period="",
        sessions=1,
        energy_wh=1,
        excl_vat=Decimal("1.23456"),
        incl_vat=Decimal("1E+2"),
        currency="SEK",
    )
    made = revenue_object(row)
    assert (made.excl_vat.amount, str(made.incl_vat.amount)) == (Decimal("1.23456"), "100.00")
