"""GET /api/v1/quarantine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from laddvakt.domain.facts import QuarantineReason
from laddvakt.stores.ports import QuarantineItem
from tests.support.webapp import NOON, Web


@pytest.fixture(autouse=True)
def items(web: Web) -> None:
    with web.records.begin() as work:
        work.quarantine.add(
            QuarantineItem(
                item_id=f"q{number}",
                station_id=f"SE-{number % 2}",
                received_at=NOON + timedelta(seconds=number),
                reason=QuarantineReason.MALFORMED_FRAME,
                detail="not JSON",
                raw='[2, "\x00',
            )
            for number in range(3)
        )


def test_list_is_newest_first_and_pages(web: Web) -> None:
    client = web.program("maintainer")
    first = client.get("/api/v1/quarantine?limit=2").json()
    assert [item["item_id"] for item in first["items"]] == ["q2", "q1"]
    rest = client.get("/api/v1/quarantine", params={"after": first["next"]}).json()
    assert [item["item_id"] for item in rest["items"]] == ["q0"]
    assert rest["items"][0]["reason"] == "malformed_frame"


def test_list_of_a_station(web: Web) -> None:
    items = web.program("admin").get("/api/v1/quarantine?station_id=SE-1").json()["items"]
    assert [item["item_id"] for item in items] == ["q1"]


@pytest.mark.parametrize("query", ["limit=0", "after=!", "reason=x"])
def test_bad_parameters(web: Web, query: str) -> None:
    assert web.program("admin").get(f"/api/v1/quarantine?{query}").status_code == 422


@pytest.mark.parametrize("role", ["viewer", "manager", "driver"])
def test_raw_messages_are_for_maintainers(web: Web, role: str) -> None:
    assert web.program(role).get("/api/v1/quarantine").status_code == 403


def test_nobody_is_told_anything(web: Web) -> None:
    assert web.nobody().get("/api/v1/quarantine").status_code == 401
