"""GET and PUT /api/v1/tariffs."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.webapp import Web

TARIFF: dict[str, Any] = {
    "country_code": "SE",
    "party_id": "LDV",
    "id": "day",
    "currency": "SEK",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 4.25, "vat": 25.0, "step_size": 1}]}],
    "last_updated": "2026-11-21T10:00:00Z",
}


def _dearer() -> dict[str, Any]:
    tariff = copy.deepcopy(TARIFF)
    tariff["elements"][0]["price_components"][0]["price"] = 5.25
    return tariff


def test_put_makes_a_tariff_then_versions(web: Web) -> None:
    client = web.program("manager")
    made = client.put("/api/v1/tariffs/day", json=TARIFF)
    assert (made.status_code, made.headers["etag"], made.json()) == (201, '"1"', TARIFF)
    changed = client.put("/api/v1/tariffs/day", json=_dearer())
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert client.get("/api/v1/tariffs").json() == {"items": [_dearer()], "next": None}
    assert client.get("/api/v1/tariffs/day").json() == _dearer()
    assert client.get("/api/v1/tariffs/day?version=1").json() == TARIFF
    audited = [(item.actor, item.action, item.object, item.detail) for item in web.audit()]
    assert audited == [
        ("token:manager", "tariff.put", "day", {"version": 2}),
        ("token:manager", "tariff.put", "day", {"version": 1}),
    ]


def test_put_of_the_same_makes_no_version(web: Web) -> None:
    client = web.program("manager")
    client.put("/api/v1/tariffs/day", json=TARIFF)
    again = client.put("/api/v1/tariffs/day", json=TARIFF)
    assert (again.status_code, again.headers["etag"]) == (200, '"1"')
    assert len(web.audit()) == 1


def test_if_match_protects_a_change_by_somebody_else(web: Web) -> None:
    client = web.program("manager")
    assert client.put("/api/v1/tariffs/day", json=TARIFF, headers={"If-Match": '"1"'}).status_code == 412
    client.put("/api/v1/tariffs/day", json=TARIFF)
    client.put("/api/v1/tariffs/day", json=_dearer())
    assert client.put("/api/v1/tariffs/day", json=TARIFF, headers={"If-Match": '"1"'}).status_code == 412
    assert client.put("/api/v1/tariffs/day", json=TARIFF, headers={"If-Match": '"2"'}).status_code == 200


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": "night"}, "night"),
        ({"currency": "kronor"}, "$.currency"),
        ({"elements": []}, "$.elements"),
        ({"price": 3}, "$.price"),
        ({"elements": [{"price_components": [{"type": "WIND", "price": 1}]}]}, "WIND"),
    ],
)
def test_bad_tariffs_are_refused_by_name(web: Web, change: dict[str, Any], named: str) -> None:
    answer = web.program("manager").put("/api/v1/tariffs/day", json={**TARIFF, **change})
    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert web.program("manager").get("/api/v1/tariffs").json()["items"] == []
    assert not web.audit()


@pytest.mark.parametrize("body", [None, [], "text"])
def test_bodies_that_are_no_object(web: Web, body: Any) -> None:
    assert web.program("manager").put("/api/v1/tariffs/day", json=body).status_code == 422


def test_enormous_bodies_are_refused(web: Web) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        yield b"[" * 9_000_000

    client = web.program("manager")
    assert client.put("/api/v1/tariffs/day", content=b"[" * 9_000_000).status_code == 413
    assert client.put("/api/v1/tariffs/day", content=unannounced()).status_code == 413


def test_unknown_tariff_or_version(web: Web) -> None:
    client = web.program("viewer")
    assert client.get("/api/v1/tariffs/day").status_code == 404
    web.program("manager").put("/api/v1/tariffs/day", json=TARIFF)
    assert client.get("/api/v1/tariffs/day?version=7").status_code == 404
    assert client.get("/api/v1/tariffs/day?version=0").status_code == 422


def test_prices_are_for_everybody_but_changed_by_managers(web: Web) -> None:
    web.program("admin").put("/api/v1/tariffs/day", json=TARIFF)
    for role in ("viewer", "maintainer", "driver"):
        assert web.program(role).get("/api/v1/tariffs").status_code == 200
        assert web.program(role).get("/api/v1/tariffs/day").status_code == 200
        assert web.program(role).put("/api/v1/tariffs/day", json=_dearer()).status_code == 403
    nobody = web.nobody()
    assert nobody.get("/api/v1/tariffs").status_code == 401
    assert nobody.get("/api/v1/tariffs/day").status_code == 401
    assert nobody.put("/api/v1/tariffs/day", json=TARIFF).status_code == 401
