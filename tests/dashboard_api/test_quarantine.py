"""GET /api/v1/quarantine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from laddvakt.domain.errors import EventLogError
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


def test_list_by_reason_and_state(web: Web) -> None:
    client = web.program("maintainer")
    assert len(client.get("/api/v1/quarantine?state=open&reason=malformed_frame").json()["items"]) == 3
    assert client.get("/api/v1/quarantine?state=dismissed").json()["items"] == []
    assert client.get("/api/v1/quarantine?reason=unknown_action").json()["items"] == []


def test_counts(web: Web) -> None:
    items = web.program("maintainer").get("/api/v1/quarantine/counts").json()["items"]
    assert [(c["station_id"], c["reason"], c["state"], c["items"]) for c in items] == [
        ("SE-0", "malformed_frame", "open", 2),
        ("SE-1", "malformed_frame", "open", 1),
    ]


def mend(web: Web, item_id: str) -> None:
    """As if the message were one that today's code can read."""
    with web.records.begin() as work:
        item = work.quarantine.get(item_id)
        assert item is not None
        work.quarantine.save([replace(item, raw='[2,"1","Heartbeat",{}]', protocol="ocpp1.6")])


def audit(web: Web) -> list[tuple[str, str, str]]:
    with web.records.read() as work:
        return [(item.actor, item.action, item.object) for item in work.people.audit_page().items]


def test_reprocess_after_a_fix(web: Web) -> None:
    mend(web, "q1")
    client = web.program("maintainer")
    item = client.post("/api/v1/quarantine/q1/reprocess").json()
    assert (item["state"], item["settled_by"]) == ("reprocessed", "token:maintainer")
    assert ("token:maintainer", "quarantine.reprocess", "q1") in audit(web)
    assert client.get("/api/v1/quarantine/q1").json() == item
    assert client.post("/api/v1/quarantine/q1/reprocess").json() == item
    assert len(web.reprocessing.asked) == 1


def test_reprocess_without_a_fix_says_what_is_still_wrong(web: Web) -> None:
    item = web.program("admin").post("/api/v1/quarantine/q1/reprocess").json()
    assert item["state"] == "open"
    assert item["tried_at"] is not None
    assert "not JSON" in item["detail"]


def test_reprocess_many(web: Web) -> None:
    mend(web, "q0")
    client = web.program("maintainer")
    told = client.post("/api/v1/quarantine/reprocess", json={"station_id": "SE-0"}).json()
    assert told == {"asked": 2, "settled": 1, "still_open": 1, "more": False}
    assert [request.item_id for request in web.reprocessing.asked] == ["q0", "q2"]


def test_nobody_reads_it_again_when_no_collector_runs(web: Web) -> None:
    web.reprocessing.error = EventLogError("no collector is running.")
    for path in ("q1/reprocess", "reprocess"):
        told = web.program("maintainer").post(f"/api/v1/quarantine/{path}", json={})
        assert (told.status_code, told.headers["Retry-After"]) == (503, "5")
        assert "no collector" in told.json()["detail"]


def test_dismiss_with_a_reason(web: Web) -> None:
    client = web.program("maintainer")
    item = client.post("/api/v1/quarantine/q1/dismiss", json={"comment": "a test bench"}).json()
    assert (item["state"], item["outcome"], item["settled_by"]) == (
        "dismissed",
        "a test bench",
        "token:maintainer",
    )
    assert ("token:maintainer", "quarantine.dismiss", "q1") in audit(web)
    assert client.post("/api/v1/quarantine/q1/reprocess").json()["state"] == "dismissed"


def test_dismiss_many(web: Web) -> None:
    client = web.program("maintainer")
    body = {"reason": "malformed_frame", "comment": "old"}
    assert client.post("/api/v1/quarantine/dismiss", json=body).json()["settled"] == 3
    assert client.get("/api/v1/quarantine?state=open").json()["items"] == []


def test_a_reprocessed_one_cannot_be_dismissed(web: Web) -> None:
    mend(web, "q1")
    client = web.program("maintainer")
    client.post("/api/v1/quarantine/q1/reprocess")
    assert client.post("/api/v1/quarantine/q1/dismiss").status_code == 409


@pytest.mark.parametrize("path", ["q9", "q9/reprocess", "q9/dismiss"])
def test_what_is_not_there(web: Web, path: str) -> None:
    client = web.program("admin")
    told = (client.post if "/" in path else client.get)(f"/api/v1/quarantine/{path}")
    assert told.status_code == 404


@pytest.mark.parametrize("role", ["viewer", "manager", "driver"])
def test_settling_is_for_maintainers(web: Web, role: str) -> None:
    client = web.program(role)
    for path in ("q1/reprocess", "q1/dismiss", "reprocess", "dismiss"):
        assert client.post(f"/api/v1/quarantine/{path}", json={}).status_code == 403
    assert client.get("/api/v1/quarantine/counts").status_code == 403
