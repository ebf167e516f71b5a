"""Silences: asked for, read, taken back; who may, and what makes no sense."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from laddvakt.domain.stations import Connector, Site, Station
from tests.support.webapp import NOON, Web

WORKS = {"scope": "station", "target": "SE-1", "until": "2026-11-21T16:00:00Z", "reason": "new cable"}


@pytest.fixture(autouse=True)
def network(web: Web) -> None:
    with web.records.begin() as work:
        work.stations.save_sites([Site(site_id="harbour", name="Harbour", timezone="UTC", currency="SEK")])
        work.stations.save(
            [Station(station_id="SE-1", site_id="harbour", connectors=(Connector(connector_id=1),))]
        )


def test_a_silence_is_made_read_and_taken_back(web: Web) -> None:
    client = web.program("maintainer")
    made = client.post("/api/v1/silences", json=WORKS)
    assert made.status_code == 200
    silence = made.json()
    assert silence | WORKS == silence
    assert (silence["kind"], silence["from"], silence["created_by"]) == (
        "maintenance",
        "2026-11-21T12:00:00Z",
        "token:maintainer",
    )
    address = f"/api/v1/silences/{silence['silence_id']}"
    assert client.get(address).json() == silence
    web.clock.advance(hours=1)
    ended = client.delete(address).json()
    assert ended == silence | {"ended_at": "2026-11-21T13:00:00Z", "ended_by": "token:maintainer"}
    assert client.get("/api/v1/silences").json() == {"items": [ended], "next": None}
    assert client.delete(address).status_code == 409
    assert [(item.action, item.object, item.detail["reason"]) for item in web.audit()] == [
        ("silence.end", silence["silence_id"], "new cable"),
        ("silence.create", silence["silence_id"], "new cable"),
    ]


def test_those_in_force_at_a_time(web: Web) -> None:
    client = web.program("manager")
    later = {"from": "2026-11-22T00:00:00Z", "until": "2026-11-23T00:00:00Z", "kind": "quiet", "fault": "offline"}
    now = client.post("/api/v1/silences", json=WORKS).json()
    then = client.post("/api/v1/silences", json=WORKS | later).json()

    def at(time: str) -> list[Any]:
        items: list[Any] = client.get("/api/v1/silences", params={"at": time}).json()["items"]
        return items

    assert at("2026-11-21T13:00:00Z") == [now]
    assert at("2026-11-22T13:00:00Z") == [then]
    assert at("2026-11-23T13:00:00Z") == []
    first = client.get("/api/v1/silences?limit=1").json()
    assert first["items"] == [then]
    assert client.get("/api/v1/silences", params={"after": first["next"]}).json()["items"] == [now]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"until": "2026-11-21T11:00:00Z"}, "later"),
        ({"from": "2026-11-22T00:00:00Z"}, "later"),
        ({"until": (NOON + timedelta(days=400)).isoformat()}, "366 days"),
        ({"target": "SE-9"}, "there is no station"),
        ({"scope": "connector", "target": "SE-1/7"}, "there is no connector"),
        ({"scope": "connector", "target": "SE-1"}, "there is no connector"),
        ({"scope": "site", "target": "SE-1"}, "there is no site"),
        ({"scope": "fleet"}, "there is no fleet"),
        ({"fault": "offline"}, "all faults"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(web: Web, change: dict[str, Any], words: str) -> None:
    answer = web.program("maintainer").post("/api/v1/silences", json=WORKS | change)
    assert answer.status_code == 409
    assert words in answer.json()["detail"]
    assert not web.audit()


@pytest.mark.parametrize(("scope", "target"), [("fleet", ""), ("site", "harbour"), ("connector", "SE-1/1")])
def test_every_scope(web: Web, scope: str, target: str) -> None:
    answer = web.program("maintainer").post("/api/v1/silences", json=WORKS | {"scope": scope, "target": target})
    assert answer.status_code == 200


@pytest.mark.parametrize("change", [{"reason": "  "}, {"until": "2026-11-21"}, {"scope": "cable"}, {"why": "x"}])
def test_bad_bodies(web: Web, change: dict[str, Any]) -> None:
    assert web.program("maintainer").post("/api/v1/silences", json=WORKS | change).status_code == 422


def test_who_may(web: Web) -> None:
    made = web.program("maintainer").post("/api/v1/silences", json=WORKS).json()
    viewer = web.program("viewer")
    assert viewer.get("/api/v1/silences").status_code == 200
    assert viewer.post("/api/v1/silences", json=WORKS).status_code == 403
    assert viewer.delete(f"/api/v1/silences/{made['silence_id']}").status_code == 403
    assert web.program("driver").get("/api/v1/silences").status_code == 403
    for method in ("get", "delete"):
        assert getattr(web.program("admin"), method)("/api/v1/silences/Q-none").status_code == 404
