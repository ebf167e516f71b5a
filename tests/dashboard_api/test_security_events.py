"""GET /api/v1/security-events."""

from __future__ import annotations

from datetime import timedelta

import pytest

from laddvakt.stores.ports import SecurityEvent
from tests.support.webapp import NOON, Web


@pytest.fixture(autouse=True)
def events(web: Web) -> None:
    with web.records.begin() as work:
        work.security_log.add(
            SecurityEvent(
                event_id=f"e{number}",
                station_id=f"SE-{number % 2}",
                at=NOON + timedelta(seconds=number),
                received_at=NOON,
                event="SettingSystemTime",
            )
            for number in range(3)
        )


def test_list_is_newest_first_and_pages(web: Web) -> None:
    client = web.program("maintainer")
    first = client.get("/api/v1/security-events?limit=2").json()
    assert [item["event_id"] for item in first["items"]] == ["e2", "e1"]
    rest = client.get("/api/v1/security-events", params={"after": first["next"]}).json()
    assert [item["event_id"] for item in rest["items"]] == ["e0"]
    assert rest["items"][0]["event"] == "SettingSystemTime"


def test_list_of_a_station(web: Web) -> None:
    items = web.program("manager").get("/api/v1/security-events?station_id=SE-1").json()["items"]
    assert [item["event_id"] for item in items] == ["e1"]


@pytest.mark.parametrize("query", ["limit=0", "after=!", "event=x"])
def test_bad_parameters(web: Web, query: str) -> None:
    assert web.program("admin").get(f"/api/v1/security-events?{query}").status_code == 422


@pytest.mark.parametrize("role", ["viewer", "driver"])
def test_security_is_not_for_everybody(web: Web, role: str) -> None:
    assert web.program(role).get("/api/v1/security-events").status_code == 403


def test_nobody_is_told_anything(web: Web) -> None:
    assert web.nobody().get("/api/v1/security-events").status_code == 401
